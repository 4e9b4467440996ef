"""Following what several pods log at once: each has a thread that reads its stream, and one generator gives what comes."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from queue import Empty, SimpleQueue
from threading import Event, Thread

from unioneyes.adapters.kubernetes.client import Cluster
from unioneyes.adapters.kubernetes.failures import NotAdmitted, ObjectMissing
from unioneyes.adapters.kubernetes.pod_logs import entries
from unioneyes.kernel.logged import Entry
from unioneyes.kernel.problems import Problem, Unavailable
from unioneyes.ports.replicas import LogLine

_STREAM_FOR = timedelta(seconds=10)
"""A stream that nothing comes on can't be left before its end, so none is long."""
_SILENT_SECONDS = 1.0
_AGAIN_SECONDS = 0.5
"""Before a stream is begun again that ended: its container did, or has not started yet."""
_BACK = timedelta(seconds=2)
"""How far behind what was read a stream begins again: the API server knows whole seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Gone:
    """A pod is not there any more."""

    pod: str


@dataclass(slots=True, kw_only=True)
class _Reader:
    """One pod's lines, each once, whatever becomes of its container."""

    cluster: Cluster
    pod: str
    container: str
    since: datetime
    """What was logged up to then is known."""
    out: SimpleQueue[LogLine | _Gone | Problem]
    over: Event
    _seen: set[str] = field(default_factory=set)
    """Lines of the last seconds."""

    def read(self) -> None:
        """Every line was given, until nobody wants more, or the pod is gone."""
        while not self.over.is_set():
            try:
                self._stream()
            except ObjectMissing:
                self.out.put(_Gone(pod=self.pod))
                return
            except (NotAdmitted, Unavailable):  # its container has not started yet; or the API server is away
                pass
            except Problem as problem:
                self.out.put(problem)
                return
            self.over.wait(_AGAIN_SECONDS)

    def _stream(self) -> None:
        for line in self.cluster.follow_logs(self.pod, container=self.container, within=_STREAM_FOR, since=self.since - _BACK):
            if self.over.is_set():
                return
            stamp = _moment(line)
            if line in self._seen or (stamp is not None and stamp < self.since - _BACK):
                continue
            if stamp is not None and stamp > self.since:
                self.since = stamp
                self._seen = {each for each in self._seen if (at := _moment(each)) is not None and at >= stamp - _BACK}
            self._seen.add(line)
            for entry in entries((line,)):
                self.out.put(_line(self.pod, entry))


def follow(
    cluster: Cluster, pods: tuple[str, ...], *, container: str, since: datetime, known: frozenset[tuple[str, datetime, str]]
) -> Generator[LogLine | None, None, None]:
    """Yield the lines that come behind `since`, but for those that are `known` already; None at least once a second. Ends when every pod is gone.

    Raises: MissingRight and what else no waiting mends.
    """
    out: SimpleQueue[LogLine | _Gone | Problem] = SimpleQueue()
    over, there = Event(), set(pods)
    for pod in pods:
        reader = _Reader(cluster=cluster, pod=pod, container=container, since=since, out=out, over=over)
        Thread(target=copy_context().run, args=(reader.read,), name=f"follow {pod}", daemon=True).start()
    try:
        spoke = time.monotonic()
        while there:
            try:
                come = out.get(timeout=max(_SILENT_SECONDS - (time.monotonic() - spoke), 0.01))
            except Empty:
                spoke = time.monotonic()
                yield None
                continue
            match come:
                case _Gone(pod=pod):
                    there.discard(pod)
                case Problem() as problem:
                    raise problem
                case LogLine() as line if (line.replica, line.at, line.message) not in known:
                    spoke = time.monotonic()
                    yield line
                case _:
                    pass
    finally:
        over.set()


def _line(pod: str, entry: Entry) -> LogLine:
    return LogLine(at=entry.at, replica=pod, level=entry.level, message=entry.message, request_id=entry.request_id)


def _moment(line: str) -> datetime | None:
    try:
        return datetime.fromisoformat(line.partition(" ")[0])
    except ValueError:
        return None
