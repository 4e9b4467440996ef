"""Where a recovery begins and ends: the target, found in what is kept of the log."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from unioneyes.adapters.postgres.recovery.catalogue import Log, Tables
from unioneyes.adapters.postgres.recovery.positions import Segment, format_lsn, parse_lsn
from unioneyes.adapters.postgres.recovery.reach import Kept, Reach, pieces, reach
from unioneyes.adapters.postgres.recovery.scratch import programs_of
from unioneyes.adapters.postgres.recovery.waldump import Commit, commits
from unioneyes.kernel.clock import rfc3339
from unioneyes.ports.recovery import BaseBackup, Gap, NoSuchDrop, NoSuchTransaction, OutsideWindow, RecoveryPoint, Window

_XID = 0xFFFFFFFF
"""What of a transaction's number stands in the log; the rest counts how often it began anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A base backup, and the log that leads on from it."""

    base: BaseBackup
    reach: Reach

    @property
    def begin(self) -> int:
        """Where it can be recovered to first."""
        return parse_lsn(self.base.end_lsn)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What can be recovered to."""

    log: Log
    bases: tuple[BaseBackup, ...]
    """Newest first."""
    whole: bool
    """True where the files of a base backup hold the log that was written while it was made."""

    def ways(self) -> tuple[Way, ...]:
        """Return how far each base backup leads, newest first."""
        kept = self.log.kept()
        every = (Way(base=base, reach=reach(kept, timeline=base.timeline, position=self._needed_from(base))) for base in self.bases)
        return tuple(way for way in every if self.whole or self._covers(way, parse_lsn(way.base.end_lsn) - 1))

    def gaps(self) -> tuple[Gap, ...]:
        """Return each hole in the log after a base backup, once."""
        size, kept = self.log.size, self.log.kept()
        every = (reach(kept, timeline=base.timeline, position=self._needed_from(base)) for base in self.bases)
        found = {each.missing[0]: len(each.missing) for each in every if each.missing}
        return tuple(Gap(timeline=first.timeline, first=first.name(size=size), count=count) for first, count in sorted(found.items()))

    def windows(self) -> tuple[Window, ...]:
        """Return what can be recovered to, newest first. Base backups whose log ends at the same place share one."""
        together: dict[object, list[Way]] = {}
        for way in self.ways():
            together.setdefault(way.reach.path[-1] if way.reach.path else way.base.name, []).append(way)
        return tuple(self._window(ways) for ways in together.values())

    def at_time(self, wanted: datetime, *, later: bool = True) -> RecoveryPoint:
        """Return the way to the last commit at or before a moment. Raises: OutsideWindow; with `later`, also where no commit after it is kept."""
        way = next((way for way in self.ways() if way.base.ended_at <= wanted), None)
        if way is None:
            raise self._outside(f"{rfc3339(wanted)} lies before the first base backup ended")
        last = self.last(way)
        if later and (last is None or last.at <= wanted):
            raise self._outside(f"no commit after {rfc3339(wanted)} is kept")
        return self._point(way, self._all_of(way), time=wanted, said=f"the last commit at or before {rfc3339(wanted)}")

    def before_xid(self, xid: int) -> RecoveryPoint:
        """Return the way to what was committed before this transaction. Raises: NoSuchTransaction."""
        for way in self._oldest_of_each():
            found = next((commit for commit in self.commits(way) if commit.xid == xid & _XID), None)
            if found is not None:
                return self.before(found, what=f"transaction {xid}, which committed at {rfc3339(found.at)}")
        raise NoSuchTransaction(what=f"no transaction {xid} committed in the log that is kept; {self.spoken()}", remedy="ue backup pitr --to TIME")

    def at_end(self) -> RecoveryPoint:
        """Return the way to everything that is kept. Raises: OutsideWindow."""
        way = next(iter(self.ways()), None)
        if way is None:
            raise self._outside("there is no base backup")
        last = self.last(way)
        said = "the end of what is kept" + (f": transaction {last.xid} at {rfc3339(last.at)}" if last else "")
        return self._point(way, self._all_of(way), said=said)

    def before(self, commit: Commit, *, what: str, table: str | None = None) -> RecoveryPoint:
        """Return the way to what was committed before `commit`, from the newest base backup that ended before it. Raises: OutsideWindow."""
        way = next((way for way in self.ways() if way.begin <= commit.lsn and self._covers(way, commit.lsn)), None)
        if way is None:
            raise self._outside(f"no base backup leads to just before {what}")
        segments = commit.lsn // self.log.size - way.begin // self.log.size + 1
        return replace(self._point(way, segments, said=f"just before {what}"), xid=commit.xid, table=table)

    def before_drop(self, table: str, *, there: Callable[[str], bool], tables: Callable[[BaseBackup], Tables]) -> RecoveryPoint:
        """Return the way to what was committed before `table` was dropped; `there` says whether the live database has it, `tables` what a base backup had.

        In the log tables have no names, so the table is followed by its file, from the newest base backup that knew it, through what wrote it anew.
        Raises: NoSuchDrop, OutsideWindow.
        """
        for way in self.ways():
            had = tables(way.base)
            if name := _named(table, had.files):
                gone, anew = self._gone(way, had.files[name], since=parse_lsn(had.since))
                if gone is not None:
                    return self.before(gone, what=f"transaction {gone.xid}, which dropped {name} at {rfc3339(gone.at)}", table=name)
                if there(name):
                    raise NoSuchDrop(what=_still_there(name, anew), remedy="ue backup pitr --to TIME, or --before-xid N, goes back to before a change of it")
                if anew is None:
                    raise NoSuchDrop(
                        what=f"no transaction that is kept dropped {name}; {self.spoken()}", remedy="ue backup wal shows whether the log has a gap"
                    )
                return self.before(anew, what=f"transaction {anew.xid}, which dropped {name} at {rfc3339(anew.at)} and made other tables", table=name)
        raise NoSuchDrop(
            what=f"no base backup knows a table {table}, or several schemas have one; {self.spoken()}",
            remedy="name it as SCHEMA.TABLE; one that was made after the last base backup is brought back by --to TIME",
        )

    def holed(self, base: str) -> bool:
        """Return whether the log after a base backup has a hole."""
        return any(way.reach.missing for way in self.ways() if way.base.name == base)

    def commits(self, way: Way) -> Iterator[Commit]:
        """Yield the commits after a base backup, in order."""
        kept, program = self.log.kept(), programs_of(way.base.server_version) / "pg_waldump"
        with self.log.held(_with_next(kept, way.reach.path)) as folder:
            for timeline, since, until in pieces(kept, way.reach.path, position=way.begin):
                yield from commits(program, folder, timeline=timeline, since=since, until=until)

    def last(self, way: Way) -> Commit | None:
        """Return the last commit that is kept after a base backup: looked for from the end on, a segment at a time."""
        kept, program = self.log.kept(), programs_of(way.base.server_version) / "pg_waldump"
        for segment in reversed(way.reach.path):
            since, until = max(segment.number * kept.size, way.begin), (segment.number + 1) * kept.size
            if since >= until:
                return None
            with self.log.held(_with_next(kept, (segment,))) as folder:
                *_, found = (None, *commits(program, folder, timeline=segment.timeline, since=since, until=until))
            if found is not None:
                return found
        return None

    def path_to(self, point: RecoveryPoint) -> tuple[Segment, ...]:
        """Return the segments that a recovery to `point` may need."""
        way = next((way for way in self.ways() if way.base.name == point.base), None)
        end = way.begin // self.log.size + point.segments if way else 0
        return tuple(segment for segment in way.reach.path if segment.number <= end) if way else ()

    def spoken(self) -> str:
        """Return what can be recovered to, in words."""
        windows = self.windows()
        if not windows:
            return "nothing can be recovered to: there is no base backup"
        told = "; ".join(f"{rfc3339(window.since)} to {rfc3339(window.until)}" for window in windows)
        return f"what can be recovered to: {told}"

    def _outside(self, what: str) -> OutsideWindow:
        return OutsideWindow(what=f"{what}; {self.spoken()}", remedy="choose a moment in there; ue backup wal shows it" if self.bases else "ue backup base")

    def _window(self, ways: list[Way]) -> Window:
        last = self.last(ways[0])
        return Window(
            since=ways[-1].base.ended_at,
            until=max(last.at, ways[0].base.ended_at) if last else ways[0].base.ended_at,
            until_lsn=format_lsn(last.lsn) if last else ways[0].base.end_lsn,
            bases=tuple(way.base.name for way in reversed(ways)),
        )

    def _oldest_of_each(self) -> Iterator[Way]:
        """Yield one way for each stretch of the log: the longest."""
        ways = {way.base.name: way for way in self.ways()}
        yield from (ways[window.bases[0]] for window in self.windows())

    def _gone(self, way: Way, file: str, *, since: int) -> tuple[Commit | None, Commit | None]:
        """Return the commit that the table of that file went with, and the last one that wrote it anew."""
        anew = None
        for commit in self.commits(way):
            if file in commit.files and commit.lsn >= since:
                if commit.instead is None:
                    return commit, anew
                file, anew = commit.instead, commit
        return None, anew

    def _covers(self, way: Way, position: int) -> bool:
        return bool(way.reach.path) and position < (way.reach.path[-1].number + 1) * self.log.size

    def _needed_from(self, base: BaseBackup) -> int:
        return parse_lsn(base.end_lsn if self.whole else base.start_lsn)

    @staticmethod
    def _all_of(way: Way) -> int:
        return len(way.reach.path)

    @staticmethod
    def _point(way: Way, segments: int, *, said: str, time: datetime | None = None) -> RecoveryPoint:
        return RecoveryPoint(base=way.base.name, timeline=way.reach.timeline, time=time, said=said, segments=segments)


def _with_next(kept: Kept, segments: Iterable[Segment]) -> frozenset[Segment]:
    """Return the segments, with those behind them in the same timeline: what begins in one may end in the next."""
    wanted = frozenset(segments)
    return wanted | (frozenset(Segment(each.timeline, each.number + 1) for each in wanted) & kept.segments)


def _named(table: str, tables: Mapping[str, str]) -> str | None:
    """Return which of the tables is meant: by its name with its schema; or by its own, where one alone has it."""
    alike = [name for name in tables if name.partition(".")[2] == table]
    return table if table in tables else alike[0] if len(alike) == 1 else None


def _still_there(name: str, anew: Commit | None) -> str:
    since = f"; transaction {anew.xid} at {rfc3339(anew.at)} wrote it anew, or dropped it and made it again" if anew else ""
    return f"{name} was not dropped: the live database has it{since}"
