"""The lives of one process, as its log tells them: the supervisor remarks there when each began, and how it ended."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from unioneyes.adapters.processes.journal import SUPERVISOR
from unioneyes.adapters.processes.logs import read_log, read_tail
from unioneyes.kernel.logged import Entry, last_words
from unioneyes.ports.pods import Ended, PodEvent

_STARTED, _ENDED = "started: ", "ended by itself: "
_SHOWN_EVENTS = 10
_LOOKED_THROUGH = 2_000
"""Lines at a log's end in which the last end and the last events are looked for."""
_REASONS = {"started": "Started", "ended by itself": "Ended", "stopped": "Stopped", "can't be started": "Failed"}
_WARNINGS = {"WARNING", "ERROR", "CRITICAL"}


def previous_life(log: Path) -> tuple[Entry, ...]:
    """Return what the process logged between its last start but one and its last; nothing where it was started once."""
    entries = read_log(log, since=datetime.fromtimestamp(0, UTC))
    starts = [at for at, entry in enumerate(entries) if _is_remark(entry, _STARTED)]
    return tuple(entries[starts[-2] : starts[-1]]) if len(starts) > 1 else ()


def last_end(log: Path, *, code: int | None) -> Ended | None:
    """Return how the process ended the last time that it did so by itself, with the exit `code` that the supervisor knows; None where it never did."""
    if code is None:
        return None
    entries = read_tail(log, lines=_LOOKED_THROUGH)
    at = next((at for at in range(len(entries) - 1, -1, -1) if _is_remark(entries[at], _ENDED)), None)
    return Ended(
        reason="Completed" if code == 0 else "Error",
        exit_code=code if code >= 0 else 128 - code,
        at=None if at is None else entries[at].at,
        message="" if at is None or code == 0 else last_words(_own(entries[:at]), killed=code < 0),
    )


def events(log: Path) -> tuple[PodEvent, ...]:
    """Return what the supervisor last remarked of the process, oldest first; the same thing, said again and again, once."""
    remarks = [entry for entry in read_tail(log, lines=_LOOKED_THROUGH) if entry.by == SUPERVISOR]
    return tuple(_told_once(remarks))[-_SHOWN_EVENTS:]


def _told_once(remarks: Iterable[Entry]) -> Iterable[PodEvent]:
    under_way: PodEvent | None = None
    for remark in remarks:
        reason = _REASONS.get(remark.message.partition(":")[0], "Remark")
        same = under_way is not None and under_way.message == remark.message
        count = under_way.count + 1 if same and under_way is not None else 1
        if under_way is not None and not same:
            yield under_way
        under_way = PodEvent(at=remark.at, warning=remark.level in _WARNINGS, reason=reason, message=remark.message, count=count)
    if under_way is not None:
        yield under_way


def _own(entries: Sequence[Entry]) -> list[Entry]:
    """Return what the process itself said in the life that ended there; why it could not even be started counts as that."""
    began = next((at for at in range(len(entries) - 1, -1, -1) if _is_remark(entries[at], _STARTED)), -1)
    return [entry for entry in entries[began + 1 :] if entry.by != SUPERVISOR or entry.level == "CRITICAL"]


def _is_remark(entry: Entry, begins: str) -> bool:
    return entry.by == SUPERVISOR and entry.message.startswith(begins)
