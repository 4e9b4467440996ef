"""What only the file does: it outlives a power cut, and leaves alone what is none of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.witness.notes import note
from unioneyes.adapters.files import CheckpointFile
from unioneyes.ports.witness import WitnessUnavailable


@pytest.fixture
def witness(tmp_path: Path) -> CheckpointFile:
    return CheckpointFile(tmp_path / "checkpoints")


def test_more_than_is_read_for_the_latest_is_kept_in_order(witness: CheckpointFile) -> None:
    notes = tuple(note(size) for size in range(1, 500))
    for each in notes:
        witness.keep(each)
        assert witness.latest() == each
    assert witness.all() == notes


def test_what_a_power_cut_left_half_written_is_no_checkpoint_and_goes(witness: CheckpointFile) -> None:
    whole = note(1)
    for cut in range(1, len(whole.encode()) + 1):  # the very last byte, the empty line behind it, included
        witness.path.unlink(missing_ok=True)
        witness.keep(whole)
        with witness.path.open("ab") as file:
            file.write(note(2).encode()[:cut])
        assert (witness.latest(), witness.all()) == (whole, (whole,))
        witness.keep(note(3))
        assert witness.all() == (whole, note(3))


@pytest.mark.parametrize("text", ["a diary\n\n" * 20_000, "a diary\n\n", note(1).replace("\u2014", "-"), note(1)[:40]], ids=["long", "short", "damaged", "cut"])
def test_a_file_that_holds_no_whole_checkpoint_is_left_as_it_is(witness: CheckpointFile, text: str) -> None:
    witness.path.write_text(text)
    with pytest.raises(WitnessUnavailable):
        witness.keep(note(1))
    assert witness.path.read_text() == text


def test_only_its_owner_reads_it(witness: CheckpointFile) -> None:
    witness.keep(note(1))
    assert witness.path.stat().st_mode & 0o777 == 0o600


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    nowhere = CheckpointFile(tmp_path / "gone" / "checkpoints")
    with pytest.raises(WitnessUnavailable):
        nowhere.keep(note(1))
    assert nowhere.latest() is None
