"""The service's replicas as supervised processes, each on a Unix socket of its own."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from http.client import HTTPException
from pathlib import Path

from pydantic import BaseModel, SecretStr, TypeAdapter

from unioneyes.adapters.processes.client import ProcessNotReady, Supervisor, SupervisorUnavailable
from unioneyes.adapters.processes.logs import read_log
from unioneyes.adapters.processes.metrics import ask
from unioneyes.adapters.processes.spec import LONGEST_SOCKET_PATH, ProcessSpec, ProcessStatus
from unioneyes.kernel.clock import now
from unioneyes.kernel.fencing import Fence, StillInside
from unioneyes.kernel.files import replace_file
from unioneyes.kernel.logged import LEVELS
from unioneyes.kernel.problems import BadInput
from unioneyes.kernel.redaction import Redactor
from unioneyes.ports.replicas import LogLine, NoReadyReplica, Outcome, Replica, ReplicasReady, Revision
from unioneyes.ports.traffic import Colour, NoHealthyReplica

_COLOUR, _VERSION = "colour", "version"
"""Labels that make a process a replica."""
_REHEARSAL = "rehearsal"
_METRICS = "/metrics"
_METRICS_WITHIN = timedelta(seconds=1)
_KEPT_REVISIONS = 20
_RESTORE_WITHIN = timedelta(seconds=60)
_LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaSlot:
    """The place of one replica."""

    name: str
    """`blue-1`."""
    colour: Colour
    version: str
    socket: Path
    """Where it answers."""
    configuration: Mapping[str, str] = field(default_factory=dict)
    """Settings that its release was started with."""


class _Wanted(BaseModel):
    """What a colour should run."""

    version: str
    count: int
    served: bool = False
    placed: datetime | None = None
    configuration: dict[str, str] | None = None
    """None in a file of an earlier version of this program: then what the environment says now."""


class _Served(BaseModel):
    """A revision, as it is kept."""

    number: int
    version: str
    count: int
    configuration: dict[str, str]
    since: datetime
    until: datetime | None = None
    bad: bool = False


_History = TypeAdapter(list[_Served])
_State = TypeAdapter(dict[Colour, _Wanted])


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalReplicas:
    """Replicas under the supervisor; Envoy is told of their sockets."""

    supervisor: Supervisor
    command: Callable[[ReplicaSlot], ProcessSpec]
    """How a replica is run: named after its slot, logging to `logs/<name>.log`, ready when it answers on the slot's socket."""
    rehearsal_command: Callable[[str, SecretStr, int], ProcessSpec]
    """How a version is run on another database (its address) and a TCP port of the loopback."""
    endpoints: Callable[[Colour, tuple[Path, ...]], None]
    """Sends a colour's requests to these sockets, and returns when the data plane holds each of them for healthy."""
    folder: Path
    """Holds the sockets: a short path."""
    logs_folder: Path
    state_file: Path
    """What each colour should run, so that it comes back after a restart of the machine."""
    revisions_file: Path
    """What served members so far, oldest first."""
    configuration: Callable[[], Mapping[str, str]]
    """Settings of the service, as the environment says now."""
    read_outcomes: Callable[[str, str], tuple[Outcome, ...]] = lambda _text, _replica: ()
    """Reads what a replica's /metrics say, by the text and the replica's name; nothing where the service counts nothing."""

    def all(self) -> tuple[Replica, ...]:
        """Return every replica of both colours, ordered by name. Raises: SupervisorUnavailable."""
        wanted = self._wanted()
        return tuple(
            Replica(
                name=status.name,
                colour=Colour(status.labels[_COLOUR]),
                version=status.labels[_VERSION],
                alive=status.alive,
                ready=status.ready,
                restarts=status.restarts,
                since=status.since,
                served=_served(wanted.get(Colour(status.labels[_COLOUR])), status.labels[_VERSION]),
                placed=_placed(wanted.get(Colour(status.labels[_COLOUR])), status.labels[_VERSION]),
            )
            for status in self._present()
        )

    def start(self, colour: Colour, *, version: str, count: int, within: timedelta, configuration: Mapping[str, str] | None = None) -> ReplicasReady:
        """`colour` runs exactly `count` replicas of `version`, each ready; replicas of another version there are ended first.

        They run with `configuration`, or with what the environment says now; and keep it, whatever the environment says later.
        Raises: NoReadyReplica (with the reason: exit code, last log lines) when they are not ready in time, or keep ending; SupervisorUnavailable.
        """
        started = time.monotonic()
        before, wanted = self._wanted().get(colour), self._settle(version, count, configuration)
        self._want(colour, wanted.model_copy(update={"served": _served(before, version), "placed": _placed(before, version) or now()}))
        slots = self._slots(colour, wanted)
        self._start_missing(slots)
        self._await(colour, slots, within)
        return ReplicasReady(colour=colour, version=version, count=count, took=timedelta(seconds=time.monotonic() - started))

    def describe_start(self, colour: Colour, *, version: str, count: int, configuration: Mapping[str, str] | None = None) -> tuple[str, ...]:
        """Return the commands that a person would type for the same."""
        return tuple(_typed(self.command(slot)) for slot in self._slots(colour, self._settle(version, count, configuration)))

    def mark_served(self, colour: Colour, *, after_rollback: bool = False) -> None:
        """What stands on `colour` has served all members from now on, until another version takes its place; kept across restarts.

        It is the newest revision; with `after_rollback`, the one before it was bad.
        """
        wanted = self._wanted().get(colour)
        if wanted is None:
            return
        if not wanted.served:
            self._want(colour, wanted.model_copy(update={"served": True}))
        with self._only_writer():
            self._record(wanted, bad_before=after_rollback)

    def revisions(self) -> tuple[Revision, ...]:
        """Return what served members so far, newest first."""
        return tuple(
            Revision(
                number=kept.number,
                version=kept.version,
                replicas=kept.count,
                configuration=kept.configuration,
                since=kept.since,
                until=kept.until,
                bad=kept.bad,
            )
            for kept in reversed(self._history())
        )

    def stop(self, colour: Colour) -> None:
        """`colour` runs nothing: each replica was told to drain, finished what it had, and ended. Raises: SupervisorUnavailable."""
        self._want(colour, None)
        self._end(colour, [status.name for status in self._present() if status.labels[_COLOUR] == colour], remaining=())

    def describe_stop(self, colour: Colour) -> tuple[str, ...]:
        """Return the commands that a person would type for the same."""
        wanted = self._wanted().get(colour)
        names = [slot.name for slot in self._slots(colour, wanted)] if wanted else []
        return (self.supervisor.describe_stop(names),)

    def restore(self, *, within: timedelta = _RESTORE_WITHIN) -> tuple[ReplicasReady, ...]:
        """Each colour runs what it should, as the state file says: after the stack was down. All are started at the same time.

        Raises: NoReadyReplica when a colour can't, after the other one was brought back; SupervisorUnavailable.
        """
        started = time.monotonic()
        wanted = [self._slots(colour, entry) for colour, entry in self._wanted().items()]
        for slots in wanted:
            self._start_missing(slots)
        restored, problems = [], []
        for slots in wanted:
            colour, version = slots[0].colour, slots[0].version
            try:
                self._await(colour, slots, within)
            except NoReadyReplica as problem:
                problems.append(problem)
            else:
                took = timedelta(seconds=time.monotonic() - started)
                restored.append(ReplicasReady(colour=colour, version=version, count=len(slots), took=took))
        if problems:
            raise NoReadyReplica(what="; ".join(problem.what for problem in problems), remedy=problems[0].remedy)
        return tuple(restored)

    def start_rehearsal(self, *, version: str, database_url: SecretStr, within: timedelta) -> str:
        """One replica of `version` runs on another database, reached by no member; return its address (http://...).

        Raises: NoReadyReplica, SupervisorUnavailable.
        """
        self.stop_rehearsal()
        port = _free_port()
        try:
            self.supervisor.start(replace(self.rehearsal_command(version, database_url, port), name=_REHEARSAL), within)
        except ProcessNotReady as problem:
            raise NoReadyReplica(what=problem.what, remedy=problem.remedy) from problem
        return f"http://{_LOOPBACK}:{port}"

    def stop_rehearsal(self) -> None:
        """The rehearsal's replica is gone. Raises: SupervisorUnavailable."""
        self.supervisor.stop(_REHEARSAL)

    def logs(self, colour: Colour, *, since: datetime, level: str = "DEBUG") -> tuple[LogLine, ...]:
        """Return what the replicas of `colour` logged since then at `level` or above, oldest first, ended replicas included."""
        if level not in LEVELS:
            raise BadInput(what=f"{level!r} is no level", remedy=f"one of: {', '.join(LEVELS)}")
        shown = LEVELS[LEVELS.index(level) :]
        lines = [
            LogLine(at=entry.at, replica=log.stem, level=entry.level, message=entry.message, request_id=entry.request_id)
            for log in sorted(self.logs_folder.glob(f"{colour}-*.log"))
            for entry in read_log(log, since=since)
            if entry.level in shown
        ]
        return tuple(sorted(lines, key=lambda line: line.at))

    def outcomes(self, colour: Colour) -> tuple[Outcome, ...]:
        """Return what the replicas of `colour` counted by route and by tenant; of a replica that does not answer within a second, nothing.

        Raises: SupervisorUnavailable.
        """
        found: list[Outcome] = []
        for status in self._present():
            if status.labels[_COLOUR] == colour and status.ready:
                with contextlib.suppress(OSError, HTTPException):  # a slow or an ended one is read the next time
                    found += self.read_outcomes(ask(self.folder / f"{status.name}.sock", _METRICS, within=_METRICS_WITHIN), status.name)
        return tuple(found)

    def describe_logs(self, colour: Colour) -> tuple[str, ...]:
        """Return the commands that a person would type for the same."""
        return (f"tail --lines=100 {shlex.quote(str(self.logs_folder))}/{colour}-*.log | grep ERROR",)

    def _present(self) -> tuple[ProcessStatus, ...]:
        return tuple(sorted((status for status in self.supervisor.status() if _COLOUR in status.labels), key=lambda status: status.name))

    def _settle(self, version: str, count: int, configuration: Mapping[str, str] | None) -> _Wanted:
        settled = self.configuration() if configuration is None else configuration
        return _Wanted(version=version, count=count, configuration=dict(settled))

    def _slots(self, colour: Colour, wanted: _Wanted) -> tuple[ReplicaSlot, ...]:
        if wanted.count < 1:
            raise BadInput(what=f"{wanted.count} replicas are none", remedy="start at least one, or stop the colour")
        names = [f"{colour}-{number}" for number in range(1, wanted.count + 1)]
        configuration = self.configuration() if wanted.configuration is None else wanted.configuration
        slots = tuple(
            ReplicaSlot(name=name, colour=colour, version=wanted.version, socket=self.folder / f"{name}.sock", configuration=configuration) for name in names
        )
        if any(len(os.fsencode(slot.socket)) > LONGEST_SOCKET_PATH for slot in slots):
            raise BadInput(what=f"{self.folder} is too long for Unix sockets ({LONGEST_SOCKET_PATH} bytes)", remedy="choose a shorter folder")
        return slots

    def _start_missing(self, slots: tuple[ReplicaSlot, ...]) -> None:
        """The supervisor runs `slots` of their colour, and no other replica of it."""
        colour, version = slots[0].colour, slots[0].version
        names = {slot.name for slot in slots}
        present = [status for status in self._present() if status.labels[_COLOUR] == colour]
        wrong = [status.name for status in present if status.labels[_VERSION] != version or status.name not in names]
        if wrong:
            kept = {status.name for status in present if status.ready} - set(wrong)
            self._end(colour, wrong, remaining=tuple(slot.socket for slot in slots if slot.name in kept))
        for slot in slots:
            labels = {_COLOUR: colour.value, _VERSION: version}
            self.supervisor.start(replace(self.command(slot), labels=labels))

    def _await(self, colour: Colour, slots: tuple[ReplicaSlot, ...], within: timedelta) -> None:
        """Each slot's replica is ready, and gets the colour's requests. Raises: NoReadyReplica."""
        try:
            self.supervisor.await_ready((slot.name for slot in slots), within=within)
            self.endpoints(colour, tuple(slot.socket for slot in slots))
        except (ProcessNotReady, NoHealthyReplica) as problem:
            raise NoReadyReplica(what=problem.what, remedy=problem.remedy) from problem

    def _end(self, colour: Colour, names: list[str], *, remaining: tuple[Path, ...]) -> None:
        """The named replicas have ended. They get no new requests before they are told to end; then they finish what they have."""
        self.endpoints(colour, remaining)
        if names:
            self.supervisor.stop(*names)

    def _wanted(self) -> dict[Colour, _Wanted]:
        try:
            return _State.validate_json(self.state_file.read_bytes())
        except FileNotFoundError:
            return {}

    def _history(self) -> list[_Served]:
        """Return the revisions, oldest first."""
        try:
            return _History.validate_json(self.revisions_file.read_bytes())
        except FileNotFoundError:
            return []

    def _record(self, wanted: _Wanted, *, bad_before: bool) -> None:
        """The newest revision is what `wanted` says; safe to repeat."""
        history = self._history()
        last = history[-1] if history else None
        configuration = dict(self.configuration()) if wanted.configuration is None else wanted.configuration
        if last is not None and (last.version, last.count, last.configuration) == (wanted.version, wanted.count, configuration):
            return
        at = now()
        if last is not None:
            history[-1] = last.model_copy(update={"until": at, "bad": last.bad or bad_before})
        number = last.number + 1 if last else 1
        history.append(_Served(number=number, version=wanted.version, count=wanted.count, configuration=configuration, since=at))
        replace_file(self.revisions_file, _History.dump_json(history[-_KEPT_REVISIONS:], indent=1).decode())

    def _want(self, colour: Colour, wanted: _Wanted | None) -> None:
        """The state file says what `colour` should run. Raises: FencedOff, SupervisorUnavailable."""
        with self._only_writer():
            before = self._wanted()
            if before.get(colour) == wanted:  # who only mends must not write back what another is just changing
                return
            state = {**before, colour: wanted}
            document = {each.value: entry.model_dump(mode="json") for each, entry in state.items() if entry is not None}
            replace_file(self.state_file, json.dumps(document, indent=1))

    @contextlib.contextmanager
    def _only_writer(self) -> Iterator[None]:
        try:
            with Fence(self.state_file.with_suffix(".lock")).entered():
                yield
        except StillInside:
            raise SupervisorUnavailable(what=f"another process has been changing {self.state_file} for too long", remedy="end it, then try again") from None


def _served(wanted: _Wanted | None, version: str) -> bool:
    return wanted is not None and wanted.version == version and wanted.served


def _placed(wanted: _Wanted | None, version: str) -> datetime | None:
    return wanted.placed if wanted is not None and wanted.version == version else None


def _typed(spec: ProcessSpec) -> str:
    """Return the command line that runs `spec` by hand, without secrets."""
    settings = [f"{name}={value}" for name, value in spec.env.items()]
    return Redactor()(shlex.join(("env", *settings, *spec.argv)))


def _free_port() -> int:
    with contextlib.closing(socket.create_server((_LOOPBACK, 0))) as probe:
        port: int = probe.getsockname()[1]
    return port
