"""What nobody needs for the window goes, and nothing else does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from unioneyes.adapters.postgres.recovery.positions import SEGMENT_BYTES, Segment, format_lsn, parse_lsn
from unioneyes.adapters.postgres.recovery.retention import surplus
from unioneyes.ports.recovery import BaseBackup

NOW = datetime(2026, 2, 9, 14, 30, tzinfo=UTC)
DAY = timedelta(days=1)
WEEK = 7 * DAY


def base(name: str, *, age: timedelta, segment: int, parent: str | None = None) -> BaseBackup:
    return BaseBackup(
        name=name,
        path=Path(name),
        parent=parent,
        started_at=NOW - age,
        ended_at=NOW - age,
        took=timedelta(0),
        bytes=1,
        files=1,
        timeline=1,
        start_lsn=format_lsn(segment * SEGMENT_BYTES + 40),
        end_lsn=format_lsn(segment * SEGMENT_BYTES + 80),
        server_version="18.4",
        checksum="",
    )


@st.composite
def catalogues(draw: st.DrawFn) -> tuple[BaseBackup, ...]:
    """Base backups of the last weeks, oldest first; each whole, or with the changes since an earlier one."""
    ages = sorted(draw(st.sets(st.integers(min_value=0, max_value=40), min_size=1, max_size=12)), reverse=True)
    changes = draw(st.lists(st.sampled_from((True, False)), min_size=len(ages), max_size=len(ages)))
    made: list[BaseBackup] = []
    for at, age in enumerate(ages):
        parent = made[-1].name if made and changes[at] else None
        made.append(base(f"base_{at}", age=age * DAY, segment=100 + 3 * at, parent=parent))
    return tuple(made)


def kept_of(bases: tuple[BaseBackup, ...], window: timedelta) -> tuple[set[str], set[int]]:
    segments = {Segment(1, number) for number in range(90, 150)}
    gone = surplus(bases, segments, now=NOW, window=window, size=SEGMENT_BYTES)
    return {each.name for each in bases} - {*gone.bases}, {each.number for each in segments - {*gone.segments}}


@given(bases=catalogues(), days=st.integers(min_value=1, max_value=30))
def test_the_newest_base_backup_and_the_log_after_it_always_stay(bases: tuple[BaseBackup, ...], days: int) -> None:
    kept, segments = kept_of(bases, days * DAY)
    assert bases[-1].name in kept
    assert set(range(parse_lsn(bases[-1].start_lsn) // SEGMENT_BYTES, 150)) <= segments


@given(bases=catalogues(), days=st.integers(min_value=1, max_value=30))
def test_every_moment_of_the_window_that_could_be_recovered_to_still_can(bases: tuple[BaseBackup, ...], days: int) -> None:
    kept, segments = kept_of(bases, days * DAY)
    for hours in range(24 * days):
        moment = NOW - timedelta(hours=hours)
        before = [each for each in bases if each.ended_at <= moment]
        if before:
            assert before[-1].name in kept
            assert set(range(parse_lsn(before[-1].start_lsn) // SEGMENT_BYTES, 150)) <= segments


@given(bases=catalogues(), days=st.integers(min_value=1, max_value=30))
def test_what_a_kept_one_holds_the_changes_since_stays(bases: tuple[BaseBackup, ...], days: int) -> None:
    kept, _ = kept_of(bases, days * DAY)
    assert {each.parent for each in bases if each.name in kept and each.parent} <= kept


@given(bases=catalogues(), days=st.integers(min_value=1, max_value=30))
def test_a_longer_window_never_keeps_less(bases: tuple[BaseBackup, ...], days: int) -> None:
    kept, segments = kept_of(bases, days * DAY)
    more, longer = kept_of(bases, (days + 1) * DAY)
    assert kept <= more
    assert segments <= longer


def test_what_is_older_than_the_one_before_the_window_goes() -> None:
    bases = (base("a", age=20 * DAY, segment=100), base("b", age=8 * DAY, segment=110), base("c", age=DAY, segment=120))
    kept, segments = kept_of(bases, WEEK)
    assert kept == {"b", "c"}, "from b one recovers to the beginning of the window"
    assert segments == set(range(110, 150))


def test_without_a_base_backup_the_log_stays_whole() -> None:
    assert surplus((), {Segment(1, 5)}, now=NOW, window=WEEK, size=SEGMENT_BYTES).segments == ()
