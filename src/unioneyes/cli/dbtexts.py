"""The database's sessions, as people read them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime

from unioneyes.cli.output import Cell, Ink, cut, facts, table
from unioneyes.kernel.status import Tone
from unioneyes.kernel.units import format_duration, format_share
from unioneyes.operations.database.blocking import Link, waiting
from unioneyes.operations.database.connections import Connections, Locks, began
from unioneyes.operations.database.sessions import age, spoken, stays
from unioneyes.operations.database.sessions_model import SessionsEnded
from unioneyes.operations.database.status_rules import FULL
from unioneyes.ports.activity import IDLE_IN_TRANSACTION, Outcome, Session

_WIDE, _QUERY_LEAST, _NAME_SHOWN = 100, 30, 24
"""Characters of a line, so that it fits on a terminal, of a query in any case, and of a name in a table; -o json has all that the server keeps."""
_LONG = 5.0
"""Seconds above which a query is slow. Source: Slow Query Investigation, "interval '5 seconds'"."""
_SHOWN_GROUPS = 20
_SHOWN_PIDS = 5
_MEANS = {
    Outcome.CHANGED: " has done something since, and was left alone",
    Outcome.GONE: " had ended before",
    Outcome.LINGERS: " was told to end, and is still there",
}


def connections_text(ink: Ink, found: Connections) -> str:
    """Return who is connected, alike sessions on one line, against the limit."""
    groups = table(
        ink,
        ("count", "database", "role", "application", "state", "longest"),
        (
            (
                str(group.count),
                group.database or "-",
                group.user or "-",
                cut(group.application or "-", _NAME_SHOWN),
                _state(group.state),
                "-" if group.longest is None else format_duration(group.longest),
            )
            for group in found.groups[:_SHOWN_GROUPS]
        ),
        empty="nobody who is meant is connected",
    )
    more = len(found.groups) - _SHOWN_GROUPS
    left_out = f"\nand {more} more lines: -o json has all" if more > 0 else ""
    return f"{usage_text(ink, found)}\n\n{groups}{left_out}"


def usage_text(ink: Ink, found: Connections) -> str:
    """Return how many connections are in use."""
    usable, share = found.limits.usable, found.used / max(found.limits.usable, 1)
    said = f"{found.used} of {usable} connections in use ({format_share(share)}; {found.limits.reserved} more are reserved)"
    return ink.tone(Tone.WARN, f"! {said}") if share > FULL else ink.tone(Tone.GOOD, f"✔ {said}")


def each_table(ink: Ink, found: Connections) -> str:
    """Return who is connected, each on a line."""
    return table(
        ink,
        ("pid", "role", "application", "from", "state", "for", "connected"),
        (
            (
                str(each.pid),
                each.user or "-",
                cut(each.application or "-", _NAME_SHOWN),
                each.client or "local",
                _state(each.state),
                _since(each.state_since, found.at),
                _since(each.started, found.at),
            )
            for each in found.sessions
        ),
        empty="nobody who is meant is connected",
    )


def queries_table(ink: Ink, sessions: Iterable[Session], at: datetime) -> str:
    """Return what runs now, longest first."""
    columns = ("pid", "for", "application", "does")
    before = [(_before(each, at), each) for each in sessions]
    widths = (max((len(name), *(len(row[column].text) for row, _ in before))) + 2 for column, name in enumerate(columns))
    room = max(_QUERY_LEAST, _WIDE - sum(widths))
    return table(ink, (*columns, "query"), ((*row, cut(each.query, room)) for row, each in before), empty="nothing runs")


def locks_text(ink: Ink, found: Locks) -> str:
    """Return the trees of who waits for whom, and how the first of them ends."""
    if not found.links:
        return ink.tone(Tone.GOOD, "✔ nobody waits for another")
    lines = "\n".join(line for link in found.links for line in _link(ink, link, found.at))
    return f"{ink.tone(Tone.WARN, f'! {waiting(found.links)} for another')}\n\n{lines}"


def ended_text(ink: Ink, done: SessionsEnded) -> str:
    """Return what became of each session that was to end."""
    counts = Counter(each.outcome for each in done.sent)
    shown = ((outcome.value, f"{counts[outcome]}{_which(done, outcome)}{_MEANS.get(outcome, '')}") for outcome in Outcome if counts[outcome])
    none = () if done.sent else (("ended", "none; --dry-run says of each session why it stays"),)
    return facts(ink, (*none, *shown, ("kept", str(done.kept)), ("took", format_duration(done.took))))


def _which(done: SessionsEnded, outcome: Outcome) -> str:
    """Return whose outcome it was, and what the server said of it."""
    mine = [each for each in done.sent if each.outcome is outcome]
    said = next((f": {each.said}" for each in mine if each.said), "")
    more = ", …" if len(mine) > _SHOWN_PIDS else ""
    return f" ({', '.join(str(each.pid) for each in mine[:_SHOWN_PIDS])}{more}{said})"


def _before(session: Session, at: datetime) -> tuple[Cell, ...]:
    """Return what stands before a query."""
    since = age(began(session), at)
    shown = "-" if since is None else format_duration(since)
    return (
        Cell(str(session.pid)),
        Cell(shown, Tone.WARN if since is not None and since.total_seconds() > _LONG else None),
        Cell(cut(session.application or session.kind, _NAME_SHOWN)),
        _does(session),
    )


def _does(session: Session) -> Cell:
    if session.blocked_by:
        more = f" and {len(session.blocked_by) - 1} more" if len(session.blocked_by) > 1 else ""
        return Cell(f"waits for {session.blocked_by[0]}{more}", Tone.WARN)
    if session.state in IDLE_IN_TRANSACTION:
        return Cell(session.state, Tone.WARN)
    return Cell(session.waits_for or "runs")


def _link(ink: Ink, link: Link, at: datetime) -> Iterator[str]:
    """Yield the lines of one session of a tree: who it is, and below it what it does and waits for."""
    indent, mark = "   " * link.depth, "└─ " if link.depth else ""
    held = f"; holds up {link.holds_up}" if link.holds_up else ""
    also = f"; also behind {', '.join(map(str, link.also_behind))}" if link.also_behind else ""
    dead = ink.tone(Tone.BAD, "; they wait for each other: PostgreSQL ends one of them by itself") if link.deadlocked else ""
    who = spoken(link.session, at) if link.session else "a prepared transaction" if link.pid == 0 else "a session that has ended"
    yield f"{indent}{mark}{ink.bold(str(link.pid))}  {who}{held}{also}{dead}"
    if link.session is not None:
        inside = f"{indent}{'   ' if link.depth else ''}  "
        if link.session.lock:
            yield f"{inside}{ink.tone(Tone.WARN, f'waits for {link.session.lock}')}"
        elif link.session.transaction_since is not None:
            yield f"{inside}in a transaction for {_since(link.session.transaction_since, at)}"
        if link.session.query:
            yield f"{inside}{ink.quiet(cut(link.session.query, max(_QUERY_LEAST, _WIDE - len(inside))))}"
        if link.depth == 0:
            kept = stays(link.session)
            yield f"{inside}ends by: ue db kill {link.pid}" if kept is None else f"{inside}nobody ends it from here: {kept}"


def _state(state: str) -> str | Cell:
    return Cell(state, Tone.WARN) if state in IDLE_IN_TRANSACTION else state or "-"


def _since(moment: datetime | None, at: datetime) -> str:
    since = age(moment, at)
    return "-" if since is None else format_duration(since)
