from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unioneyes.kernel.fencing import OVER_ALL, Fence, FencedOff, StillInside, advance, fencing_token


@contextmanager
def carrying(token: int | None) -> Iterator[None]:
    before = fencing_token.set(token)
    try:
        yield
    finally:
        fencing_token.reset(before)


def test_a_token_that_is_behind_one_seen_before_is_refused(tmp_path: Path) -> None:
    fence = Fence(tmp_path / "lock")
    with carrying(7):
        fence.check()
        fence.check()
    with carrying(8):
        fence.check()
    with carrying(7), pytest.raises(FencedOff, match=r"it has seen the token 8, and this one is 7"), fence.entered():
        raise AssertionError


def test_break_glass_passes_everywhere_and_what_came_before_does_not_any_more(tmp_path: Path) -> None:
    fence = Fence(tmp_path / "lock")
    with carrying(7):
        fence.check()
    with carrying(OVER_ALL):
        fence.check()
        fence.check()
    with carrying(8), pytest.raises(FencedOff):
        fence.check()
    with carrying(1_007):
        fence.check()


def test_what_an_environment_does_for_itself_passes_and_leaves_the_token_as_it_is(tmp_path: Path) -> None:
    fence = Fence(tmp_path / "lock")
    with carrying(7):
        fence.check()
    fence.check()
    with carrying(6), pytest.raises(FencedOff):
        fence.check()


@pytest.mark.parametrize("said", ["", "no number\n", "-5\n"])
def test_a_file_that_says_nothing_has_seen_nothing(tmp_path: Path, said: str) -> None:
    file = tmp_path / "lock"
    file.write_text(said)
    with carrying(7):
        Fence(file).check()
    assert file.read_text() == "7\n"


@given(tokens=st.lists(st.one_of(st.just(OVER_ALL), st.integers(min_value=0, max_value=2**53))))
def test_what_was_seen_never_falls(tokens: list[int]) -> None:
    seen = 0
    for token in tokens:
        try:
            higher = advance("it", token=token, seen=seen)
        except FencedOff:
            assert token < seen
        else:
            assert higher >= max(seen, token)
            seen = higher


def test_two_writers_never_write_at_the_same_time(tmp_path: Path) -> None:
    lock, inside, most = tmp_path / "lock", 0, 0
    counting = threading.Lock()

    def write() -> None:
        nonlocal inside, most
        for _ in range(20):
            with Fence(lock).entered(within=timedelta(seconds=30)):
                with counting:
                    inside += 1
                    most = max(most, inside)
                with counting:
                    inside -= 1

    writers = [threading.Thread(target=write) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert most == 1


def test_a_writer_gives_up_when_another_one_does_not_end(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with Fence(lock).entered(), pytest.raises(StillInside), Fence(lock).entered(within=timedelta(0)):
        raise AssertionError
