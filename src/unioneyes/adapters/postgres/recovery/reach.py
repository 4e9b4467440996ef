"""How far the log leads from a base backup without a hole, over changes of the timeline. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from unioneyes.adapters.postgres.recovery.positions import Segment


@dataclass(frozen=True, slots=True, kw_only=True)
class Fork:
    """Where a timeline begins: a server was promoted there."""

    parent: int
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What of the log is there."""

    segments: frozenset[Segment]
    """Also those that are still being written."""
    forks: Mapping[int, tuple[Fork, ...]]
    """By timeline: every fork on the way to it, oldest first, as its history file says."""
    size: int
    """Bytes of one segment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """The log that leads on from a position."""

    timeline: int
    """In which it ends."""
    path: tuple[Segment, ...]
    """Without a hole; empty where not even the first segment is there."""
    missing: tuple[Segment, ...]
    """What would have to be there for it to lead on to the next segment that is."""


def reach(kept: Kept, *, timeline: int, position: int) -> Reach:
    """Return how far the log leads from `position` of `timeline`: along the newest timeline that it gets to."""
    own = _walk(kept, timeline, timeline, position)
    for later in sorted(kept.forks, reverse=True):
        fork = next((fork for fork in kept.forks[later] if fork.parent == timeline), None)
        if fork is not None and fork.position >= position:  # else that server was promoted before, and the base backup is of a life that it did not live
            walked = _walk(kept, later, timeline, position)
            if walked.path and walked.path[-1].timeline == later:
                return walked
    return own


def pieces(kept: Kept, path: tuple[Segment, ...], *, position: int) -> Iterator[tuple[int, int, int]]:
    """Yield the stretches of one timeline each that the path consists of: timeline, first position, and the position where the next begins or it ends."""
    began, at = position, 0
    while at < len(path):
        until = next((later for later in range(at, len(path)) if path[later].timeline != path[at].timeline), len(path))
        end = path[until - 1].number + 1 if until == len(path) else path[until].number
        yield path[at].timeline, began, end * kept.size
        began, at = end * kept.size, until


def _walk(kept: Kept, target: int, timeline: int, position: int) -> Reach:
    first, walked = position // kept.size, []
    number = first
    while (segment := Segment(_timeline_at(kept, target, timeline, number), number)) in kept.segments:
        walked.append(segment)
        number += 1
    later = [each.number for each in kept.segments if each.number > number and each.timeline == _timeline_at(kept, target, timeline, each.number)]
    missing = tuple(Segment(_timeline_at(kept, target, timeline, each), each) for each in range(number, min(later))) if later else ()
    return Reach(timeline=walked[-1].timeline if walked else timeline, path=tuple(walked), missing=missing)


def _timeline_at(kept: Kept, target: int, timeline: int, number: int) -> int:
    """Return the timeline of the segment of that number on the way to `target`: the segment of a fork is taken from the timeline that begins in it."""
    forks = kept.forks.get(target, ())
    ways = [fork.parent for fork in forks] + [target]
    for fork, child in zip(reversed(forks), reversed(ways[1:]), strict=True):
        if number >= fork.position // kept.size:
            return child
    return ways[0] if forks else timeline
