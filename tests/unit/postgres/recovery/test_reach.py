"""How far the log leads: never across a hole, and over the fork of a timeline only where the base backup is of the life before it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unioneyes.adapters.postgres.recovery.archive import read_history
from unioneyes.adapters.postgres.recovery.positions import SEGMENT_BYTES, Segment, format_lsn, parse_lsn
from unioneyes.adapters.postgres.recovery.reach import Fork, Kept, pieces, reach

SIZE = SEGMENT_BYTES
positions = st.integers(min_value=0, max_value=(1 << 64) - 1)
sizes = st.sampled_from([1 << power for power in range(20, 31)])


def kept(*segments: tuple[int, int], forks: dict[int, tuple[Fork, ...]] | None = None) -> Kept:
    return Kept(segments=frozenset(Segment(*each) for each in segments), forks=forks or {}, size=SIZE)


def fork(parent: int, segment: int, offset: int = 100) -> Fork:
    return Fork(parent=parent, position=segment * SIZE + offset)


@given(positions)
def test_a_position_is_read_as_it_was_written(position: int) -> None:
    assert parse_lsn(format_lsn(position)) == position


@given(timeline=st.integers(min_value=1, max_value=(1 << 32) - 1), position=positions, size=sizes)
def test_a_segment_is_read_by_its_name(timeline: int, position: int, size: int) -> None:
    segment = Segment.at(timeline, position, size=size)
    assert Segment.read(segment.name(size=size), size=size) == segment


def test_names_are_those_of_postgresql() -> None:
    assert Segment.at(1, parse_lsn("0/3000148"), size=SIZE).name(size=SIZE) == "000000010000000000000003"
    assert Segment.at(2, parse_lsn("1/FF000000"), size=SIZE).name(size=SIZE) == "0000000200000001000000FF"
    assert Segment.read("00000002.history", size=SIZE) is None


def test_a_history_file_tells_each_fork() -> None:
    text = "1\t0/3000148\tno recovery target specified\n\n# a remark\n2\t0/5000000\tbefore transaction 790\n"
    assert read_history(text) == (Fork(parent=1, position=0x3000148), Fork(parent=2, position=0x5000000))


@given(numbers=st.sets(st.integers(min_value=0, max_value=30)), start=st.integers(min_value=0, max_value=30))
def test_it_leads_on_exactly_to_the_first_hole_and_every_hole_is_told(numbers: set[int], start: int) -> None:
    found = reach(kept(*((1, number) for number in numbers)), timeline=1, position=start * SIZE + 5)
    path = [segment.number for segment in found.path]
    assert path == list(range(start, start + len(path)))
    assert set(path) <= numbers
    assert start + len(path) not in numbers
    later = [number for number in numbers if number >= start + len(path)]
    assert [segment.number for segment in found.missing] == list(range(start + len(path), min(later, default=start + len(path))))


def test_it_leads_over_a_fork_to_the_newest_timeline() -> None:
    there = kept((1, 3), (1, 4), (2, 4), (2, 5), forks={2: (fork(1, 4),)})
    assert [(each.timeline, each.number) for each in reach(there, timeline=1, position=3 * SIZE).path] == [(1, 3), (2, 4), (2, 5)]


def test_it_leads_over_two_forks() -> None:
    there = kept((1, 3), (2, 4), (3, 5), (3, 6), forks={2: (fork(1, 4),), 3: (fork(1, 4), fork(2, 5))})
    found = reach(there, timeline=1, position=3 * SIZE)
    assert [(each.timeline, each.number) for each in found.path] == [(1, 3), (2, 4), (3, 5), (3, 6)]
    assert found.timeline == 3
    assert reach(there, timeline=2, position=4 * SIZE + 200).path == (Segment(2, 4), Segment(3, 5), Segment(3, 6))


def test_a_base_backup_of_after_the_fork_stays_on_its_own_timeline() -> None:
    """It is of the server that went on without the promoted one: the other's log does not fit it."""
    there = kept((1, 4), (1, 5), (2, 4), (2, 5), forks={2: (fork(1, 4),)})
    found = reach(there, timeline=1, position=5 * SIZE)
    assert [(each.timeline, each.number) for each in found.path] == [(1, 5)]


def test_a_fork_that_a_hole_lies_before_is_not_reached() -> None:
    there = kept((1, 3), (2, 5), forks={2: (fork(1, 5),)})
    found = reach(there, timeline=1, position=3 * SIZE)
    assert found.path == (Segment(1, 3),)
    assert found.timeline == 1


def test_each_piece_is_of_one_timeline_and_begins_where_the_one_before_ends() -> None:
    there = kept((1, 3), (2, 4), (2, 5), forks={2: (fork(1, 4),)})
    path = reach(there, timeline=1, position=3 * SIZE + 40).path
    assert list(pieces(there, path, position=3 * SIZE + 40)) == [(1, 3 * SIZE + 40, 4 * SIZE), (2, 4 * SIZE, 6 * SIZE)]


@pytest.mark.parametrize("text", ["0", "", "x/1"])
def test_what_is_no_position_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        parse_lsn(text)
