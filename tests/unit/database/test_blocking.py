"""Who waits for whom: each session once, those first who hold the others up; a circle hangs nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.database.test_sessions import session, view
from unioneyes.operations.database.blocking import Link, blocking


def tree(waits: dict[int, tuple[int, ...]], *, known: tuple[int, ...] = ()) -> tuple[Link, ...]:
    pids = sorted({*waits, *known})
    return blocking(view(*(session(pid, state="active", blocked_by=waits.get(pid, ())) for pid in pids)))


def shape(links: tuple[Link, ...]) -> list[tuple[int, int, int]]:
    return [(link.pid, link.depth, link.holds_up) for link in links]


def test_nobody_waits() -> None:
    assert tree({}, known=(1, 2)) == ()


def test_whoever_holds_up_the_most_comes_first_and_those_who_wait_stand_below() -> None:
    links = tree({2: (1,), 3: (2,), 5: (4,), 6: (1,), 7: (2, 6)}, known=(1, 4))
    assert shape(links) == [(1, 0, 4), (2, 1, 2), (3, 2, 0), (7, 2, 0), (6, 1, 1), (4, 0, 1), (5, 1, 0)]
    assert next(link for link in links if link.pid == 7).also_behind == (6,)
    assert not any(link.deadlocked for link in links)


def test_a_prepared_transaction_and_one_that_has_ended_hold_up_without_a_session() -> None:
    links = tree({2: (0,), 3: (99,)})
    assert [(link.pid, link.session is None) for link in links] == [(0, True), (2, False), (99, True), (3, False)]


def test_those_who_wait_for_each_other_are_named_and_the_tree_ends() -> None:
    links = tree({1: (2,), 2: (1,), 3: (2,)})
    assert sorted(link.pid for link in links) == [1, 2, 3]
    assert {link.pid for link in links if link.deadlocked} == {1, 2}


@given(st.dictionaries(st.integers(1, 12), st.lists(st.integers(0, 12), max_size=4).map(tuple), max_size=12))
def test_every_session_that_waits_stands_in_the_tree_exactly_once(waits: dict[int, tuple[int, ...]]) -> None:
    links = tree(waits)
    given_ = [link.pid for link in links]
    expected = {pid for pid, holders in waits.items() if {*holders} - {pid}} | {holder for pid, holders in waits.items() for holder in holders if holder != pid}
    assert sorted(given_) == sorted(expected)
    for link in links:
        if link.depth == 0:
            assert link.deadlocked or not {*waits.get(link.pid, ())} - {link.pid}
