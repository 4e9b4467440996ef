"""What pods logged, the container before a restart included: as lines, oldest first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from lightkube.resources.core_v1 import Pod

from unioneyes.adapters.kubernetes.client import Cluster
from unioneyes.adapters.kubernetes.failures import NotAdmitted, ObjectMissing, PodSilent
from unioneyes.adapters.kubernetes.rollout import last_words, named, node_lost, restarts
from unioneyes.kernel.logged import LEVELS, Entry, parse
from unioneyes.kernel.problems import BadInput
from unioneyes.ports.replicas import LogLine

_MOST = 20_000
"""Lines of one container."""
READ_WITHIN = timedelta(seconds=5)
"""A kubelet gives its lines, or nothing of it runs any more."""
_AT_ONCE = 16
_TRACEBACK = "Traceback (most recent call last):"


def logs_of(cluster: Cluster, pods: Iterable[Pod], *, container: str, since: datetime, level: str) -> tuple[LogLine, ...]:
    """Return what the pods logged since then at `level` or above, how a container ended by itself, and which pod's log can't be read. Raises: BadInput."""
    if level not in LEVELS:
        raise BadInput(what=f"{level!r} is no level", remedy=f"one of: {', '.join(LEVELS)}")
    shown = LEVELS[LEVELS.index(level) :]
    from_then = since.replace(microsecond=since.microsecond // 1000 * 1000)
    with ThreadPoolExecutor(_AT_ONCE) as asking:
        read = asking.map(lambda pod: (pod, tuple(_entries(cluster, pod, container, from_then))), pods)
        lines = [
            LogLine(at=entry.at, replica=named(pod), level=entry.level, message=entry.message, request_id=entry.request_id)
            for pod, found in read
            for entry in found
            if entry.level in shown and entry.at >= from_then
        ]
    return tuple(sorted(lines, key=lambda line: line.at))


def last_lines(cluster: Cluster, pod: str, *, container: str, lines: int) -> str:
    """Return what the container said last, as one line of text; of the one before its restart, where that was none yet. Empty where nothing can be read."""
    for previous in (False, True):
        try:
            said = cluster.logs(pod, container=container, previous=previous, tail=lines, within=READ_WITHIN)
        except (NotAdmitted, ObjectMissing, PodSilent):  # "container is waiting to start", "previous terminated container not found"
            continue
        own = [line for line in said if _moment(line.partition(" ")[0])]  # "unable to retrieve container logs" is the kubelet's word
        if texts := [entry.message for entry in entries(own)]:
            return " / ".join(texts[-lines:])
    return ""


def entries(lines: Iterable[str]) -> Iterator[Entry]:
    """Yield what lines say that stand behind their times. Plain text has its line's time; a traceback is one entry."""
    for at, texts in _blocks(lines):
        yield from parse(texts, undated=at)


def unreadable(why: str) -> Entry:
    """Return what stands in the place of lines that can't be read."""
    return Entry(at=datetime.now(UTC), level="WARNING", message=f"what it logs can't be read: {why}", by="kubelet")


def _blocks(lines: Iterable[str]) -> Iterator[tuple[datetime, list[str]]]:
    """Yield what belongs together, with its time: a line, or a traceback up to the line that names the error."""
    block: list[str] = []
    at, inside = datetime.now(UTC), False
    for line in lines:
        stamp, _, text = line.partition(" ")
        if (moment := _moment(stamp)) is None:
            text = line
        if not inside:
            block, at = [], moment or at
        block.append(text)
        inside = text.startswith(_TRACEBACK) or (inside and not text[:1].strip())
        if not inside:
            yield at, block
    if inside:
        yield at, block


def _entries(cluster: Cluster, pod: Pod, container: str, since: datetime) -> Iterator[Entry]:
    if node_lost(pod):
        yield unreadable("its node does not answer")
        return
    for previous in (True, False) if restarts(pod) else (False,):
        try:
            yield from entries(cluster.logs(named(pod), container=container, since=since, previous=previous, tail=_MOST, within=READ_WITHIN))
        except (NotAdmitted, ObjectMissing):  # not started yet, gone meanwhile, or its log was thrown away
            continue
        except PodSilent as problem:
            yield unreadable(problem.what)
            break
    yield from _ends(pod, container)


def _ends(pod: Pod, container: str) -> Iterator[Entry]:
    """Yield how the container ended by itself, as far as the cluster remembers."""
    for status in (pod.status.containerStatuses if pod.status else None) or ():
        for state in (status.lastState, status.state):
            ended = state.terminated if state else None
            if status.name == container and ended and ended.finishedAt:
                yield Entry(at=_last_of_second(ended.finishedAt), level="ERROR", message=f"ended by itself: {last_words(ended)}", by="kubelet")


def _last_of_second(at: datetime) -> datetime:
    """Return the latest moment that is meant: a kubelet says the second alone, and what was logged in it came before the end."""
    return at if at.microsecond else at.replace(microsecond=999_999)


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
