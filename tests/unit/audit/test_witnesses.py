"""Two witnesses are held against each other: the remote one keeps a beginning of what the first one keeps."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from unioneyes.runbook.audit.verification import compare

NOTES = tuple(f"log\n{size}\nroot\n\nsigned\n" for size in range(8))


@given(st.integers(1, 8), st.integers(1, 8))
def test_exactly_a_beginning_is_without_fault(first: int, remote: int) -> None:
    assert (compare(NOTES[:first], NOTES[:remote]) is None) == (remote <= first)


@given(st.sets(st.sampled_from(NOTES), min_size=1))
def test_whatever_is_left_out_before_the_end_is_named(left: set[str]) -> None:
    remote = tuple(note for note in NOTES if note in left)
    fault = compare(NOTES, remote)
    missing = [size for size, note in enumerate(NOTES) if note not in left and note < remote[-1]]
    assert (fault.what if fault else None) == (f"the remote witness lacks the checkpoint of {missing[0]} entries, and keeps later ones" if missing else None)


@given(st.integers(0, 7), st.integers(0, 9))
def test_another_one_in_its_place_is_named(at: int, size: int) -> None:
    other = f"log\n{size}\nother\n\nsigned\n"
    fault = compare(NOTES, (*NOTES[:at], other, *NOTES[at + 1 :]))
    assert fault is not None
    assert fault.what == f"the witnesses disagree: the remote one keeps a checkpoint of {size} entries that the first one lacks"


def test_one_that_keeps_nothing_has_lost_something() -> None:
    fault = compare(NOTES, ())
    assert fault is not None
    assert "keeps no checkpoint" in fault.what
