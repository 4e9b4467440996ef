"""What a witness promises, on the file and on the object store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.contract.witness.notes import note
from tests.s3 import S3Server
from unioneyes.adapters.files import CheckpointFile
from unioneyes.ports.witness import Witness, WitnessOvertaken

Reopen = Callable[[], Witness]
"""The same witness, as another process has it that has just started."""


@pytest.fixture(params=["file", "objects"])
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Reopen:
    if request.param == "file":
        return lambda: CheckpointFile(tmp_path / "checkpoints")
    s3: S3Server = request.getfixturevalue("s3")
    bucket = s3.bucket()
    return lambda: s3.checkpoints(bucket)


@pytest.fixture
def witness(reopen: Reopen) -> Witness:
    return reopen()


def test_before_the_first_there_is_none(witness: Witness) -> None:
    assert (witness.latest(), witness.all(), witness.since(0)) == (None, (), ())


def test_every_checkpoint_is_kept_in_order(witness: Witness, reopen: Reopen) -> None:
    notes = tuple(note(size) for size in (0, 1, 2, 9, 10, 11, 99, 100, 101, 12_345_678))  # as text, 9 stands behind 10
    for each in notes:
        witness.keep(each)
        assert witness.latest() == each
    for seen in (witness, reopen()):
        assert (seen.all(), seen.latest()) == (notes, notes[-1])


def test_those_since_a_size_are_those_that_cover_more(witness: Witness) -> None:
    notes = tuple(note(size) for size in range(0, 500, 2))  # more than the file's end that is read first
    for each in notes:
        witness.keep(each)
    assert witness.since(-1) == witness.all() == notes
    assert witness.since(0) == notes[1:]
    assert witness.since(1) == notes[1:]
    assert witness.since(20) == notes[11:]
    assert witness.since(497) == (notes[-1],)
    assert witness.since(498) == witness.since(10**17) == ()


@pytest.mark.parametrize("size", [0, 4, 5])
@pytest.mark.parametrize("root", [0, 1], ids=["same", "other"])
def test_who_comes_late_is_refused_and_nothing_is_overwritten(witness: Witness, reopen: Reopen, size: int, root: int) -> None:
    for each in (note(3), note(5)):
        witness.keep(each)
    for late in (witness, reopen()):
        with pytest.raises(WitnessOvertaken, match="keeps a checkpoint of 5 entries"):
            late.keep(note(size, root=root))
        assert late.all() == (note(3), note(5))


def test_a_worker_that_has_seen_less_sees_what_others_kept_meanwhile(witness: Witness, reopen: Reopen) -> None:
    other = reopen()
    for size in (1, 2, 3):
        witness.keep(note(size))
        assert other.latest() == note(size)
    other.keep(note(40))
    assert witness.latest() == note(40)
    with pytest.raises(WitnessOvertaken):
        witness.keep(note(39))
