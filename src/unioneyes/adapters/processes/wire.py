"""How the supervisor and its clients write to each other: one JSON object a line."""

from __future__ import annotations

import signal
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Literal, NotRequired, TypedDict

from unioneyes.adapters.processes.spec import Exec, ProcessSpec, ProcessState, ProcessStatus, Readiness, TcpHttp, TcpOpen, UnixHttp


class Order(StrEnum):
    """What a client may ask for."""

    START = "start"
    STOP = "stop"
    STATUS = "status"


class _UnixHttpDocument(TypedDict):
    kind: Literal["unix-http"]
    path: str
    url: str


class _TcpHttpDocument(TypedDict):
    kind: Literal["tcp-http"]
    host: str
    port: int
    path: str
    tls: NotRequired[bool]
    """Not said by a client of an earlier release."""


class _TcpOpenDocument(TypedDict):
    kind: Literal["tcp-open"]
    host: str
    port: int


class _ExecDocument(TypedDict):
    kind: Literal["exec"]
    argv: list[str]


_ReadinessDocument = _UnixHttpDocument | _TcpHttpDocument | _TcpOpenDocument | _ExecDocument


class SpecDocument(TypedDict):
    """A specification on the wire."""

    name: str
    argv: list[str]
    log: str
    env: dict[str, str]
    cwd: str
    sockets: list[str]
    ready: _ReadinessDocument | None
    stop_signal: int
    grace: float
    restart: bool
    after: list[str]
    labels: dict[str, str]
    memory: int | None
    log_bytes: int


class StatusDocument(TypedDict):
    """A status on the wire."""

    name: str
    state: str
    pid: int | None
    restarts: int
    since: str
    last_exit: int | None
    log: str
    labels: dict[str, str]


class Request(TypedDict, total=False):
    """One line to the supervisor."""

    order: str
    spec: SpecDocument
    """Of the process to start."""
    names: list[str]
    """Of the processes to stop."""
    token: int
    """The fencing token of the run that asks; not given by who asks for the environment itself."""


class Reply(TypedDict, total=False):
    """One line from the supervisor."""

    processes: list[StatusDocument]
    """All of them, in the order in which they were started."""
    refused: str
    """Why the request makes no sense; nothing was done."""
    late: str
    """A later token than the request's was seen, so nothing was done."""


def encode_spec(spec: ProcessSpec) -> SpecDocument:
    """Return `spec` as it goes over the wire."""
    return SpecDocument(
        name=spec.name,
        argv=list(spec.argv),
        log=str(spec.log),
        env=dict(spec.env),
        cwd=str(spec.cwd),
        sockets=[str(socket) for socket in spec.sockets],
        ready=_encode_readiness(spec.ready),
        stop_signal=spec.stop_signal.value,
        grace=spec.grace.total_seconds(),
        restart=spec.restart,
        after=list(spec.after),
        labels=dict(spec.labels),
        memory=spec.memory,
        log_bytes=spec.log_bytes,
    )


def decode_spec(document: SpecDocument) -> ProcessSpec:
    """Return the specification that came over the wire. Raises: KeyError, ValueError, TypeError when it is none."""
    return ProcessSpec(
        name=document["name"],
        argv=tuple(document["argv"]),
        log=Path(document["log"]),
        env=document["env"],
        cwd=Path(document["cwd"]),
        sockets=tuple(Path(socket) for socket in document["sockets"]),
        ready=_decode_readiness(document["ready"]),
        stop_signal=signal.Signals(document["stop_signal"]),
        grace=timedelta(seconds=document["grace"]),
        restart=document["restart"],
        after=tuple(document["after"]),
        labels=document["labels"],
        memory=document["memory"],
        log_bytes=document["log_bytes"],
    )


def encode_status(status: ProcessStatus) -> StatusDocument:
    """Return `status` as it goes over the wire."""
    return StatusDocument(
        name=status.name,
        state=status.state.value,
        pid=status.pid,
        restarts=status.restarts,
        since=status.since.isoformat(),
        last_exit=status.last_exit,
        log=str(status.log),
        labels=dict(status.labels),
    )


def decode_status(document: StatusDocument) -> ProcessStatus:
    """Return the status that came over the wire."""
    return ProcessStatus(
        name=document["name"],
        state=ProcessState(document["state"]),
        pid=document["pid"],
        restarts=document["restarts"],
        since=datetime.fromisoformat(document["since"]),
        last_exit=document["last_exit"],
        log=Path(document["log"]),
        labels=document["labels"],
    )


def _encode_readiness(ready: Readiness | None) -> _ReadinessDocument | None:
    match ready:
        case None:
            return None
        case UnixHttp(path, url):
            return _UnixHttpDocument(kind="unix-http", path=str(path), url=url)
        case TcpHttp(host, port, path, tls):
            return _TcpHttpDocument(kind="tcp-http", host=host, port=port, path=path, tls=tls)
        case TcpOpen(host, port):
            return _TcpOpenDocument(kind="tcp-open", host=host, port=port)
        case Exec(argv):
            return _ExecDocument(kind="exec", argv=list(argv))


def _decode_readiness(document: _ReadinessDocument | None) -> Readiness | None:
    if document is None:
        return None
    if document["kind"] == "unix-http":
        return UnixHttp(Path(document["path"]), document["url"])
    if document["kind"] == "tcp-http":
        return TcpHttp(document["host"], document["port"], document["path"], document.get("tls", False))
    if document["kind"] == "tcp-open":
        return TcpOpen(document["host"], document["port"])
    return Exec(tuple(document["argv"]))
