"""Who waits for whom: the tree of sessions that hold others up, those first who wait for nobody. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from unioneyes.ports.activity import ActivityView, Session

PREPARED = 0
"""The number that PostgreSQL gives for a prepared transaction, which no process holds. Source: PostgreSQL, pg_blocking_pids."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One session of the tree, or a prepared transaction, in the order in which the tree is read."""

    pid: int
    depth: int
    """0 of whoever waits for nobody, and holds all below it up."""
    holds_up: int
    """Sessions that wait for it, and for those that wait for it."""
    also_behind: tuple[int, ...]
    """Others that it waits for, beside the one above it."""
    deadlocked: bool
    """True where it waits for itself in the end: PostgreSQL ends one of them by itself, after `deadlock_timeout`."""
    session: Session | None
    """None of a prepared transaction, and of a session that has ended since."""


def blocking(view: ActivityView) -> tuple[Link, ...]:
    """Return the tree, each session once; the one that holds up the most comes first. Empty where nobody waits for another."""
    behind = {session.pid: others for session in view.sessions if (others := frozenset(session.blocked_by) - {session.pid})}
    waiting: dict[int, list[int]] = {}
    for pid, holders in behind.items():
        for holder in holders:
            waiting.setdefault(holder, []).append(pid)
    known = {session.pid: session for session in view.sessions}
    counts = {holder: len(_below(holder, waiting)) for holder in waiting}
    roots = sorted((holder for holder in waiting if holder not in behind), key=lambda pid: (-counts[pid], pid))
    circle = sorted((holder for holder in waiting if holder in behind and holder in _below(holder, waiting)), key=lambda pid: (-counts[pid], pid))
    seen: set[int] = set()
    return tuple(
        Link(
            pid=pid,
            depth=depth,
            holds_up=counts.get(pid, 0),
            also_behind=tuple(sorted(behind.get(pid, frozenset()) - {above})),
            deadlocked=pid in circle,
            session=known.get(pid),
        )
        for root in (*roots, *circle)
        for pid, depth, above in _walk(root, waiting, counts, seen)
    )


def waiting(links: tuple[Link, ...]) -> str:
    """Return how many sessions wait for another, as people say it: `1 session waits`, `3 sessions wait`."""
    count = sum(link.depth > 0 or link.deadlocked for link in links)
    return "1 session waits" if count == 1 else f"{count} sessions wait"


def _below(holder: int, waiting: Mapping[int, list[int]]) -> set[int]:
    """Return all who wait for it, and for those; itself too, where it waits for itself in the end."""
    found: set[int] = set()
    ahead = [holder]
    while ahead:
        for pid in waiting.get(ahead.pop(), ()):
            if pid not in found:
                found.add(pid)
                ahead.append(pid)
    return found


def _walk(root: int, waiting: Mapping[int, list[int]], counts: Mapping[int, int], seen: set[int]) -> Iterator[tuple[int, int, int | None]]:
    """Give each session below `root` that was not given yet, with its depth and the one above it; whoever holds up more comes first."""
    ahead: list[tuple[int, int, int | None]] = [(root, 0, None)]
    while ahead:
        pid, depth, above = ahead.pop()
        if pid in seen:
            continue
        seen.add(pid)
        yield pid, depth, above
        ahead += [(each, depth + 1, pid) for each in sorted(waiting.get(pid, ()), key=lambda each: (counts.get(each, 0), -each))]
