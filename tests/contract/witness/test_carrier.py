"""Checkpoints are brought from the file to the object store, and the two are held against each other."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from tests.contract.witness.notes import SIGNER, note
from tests.s3 import S3Server
from unioneyes.adapters.files import CheckpointFile
from unioneyes.adapters.s3 import CheckpointObjects
from unioneyes.runbook.audit import carrier
from unioneyes.runbook.audit.carrier import Carrier
from unioneyes.runbook.audit.problems import AuditLogChanged
from unioneyes.runbook.audit.sealing import Sealing


class Twice:
    """Two witnesses of one log, and whoever can change what they keep."""

    def __init__(self, s3: S3Server, folder: Path) -> None:
        self.s3 = s3
        self.bucket = s3.bucket()
        self.first = CheckpointFile(folder / "checkpoints")
        self.first.keep(note(0))
        self.remote.keep(note(0))

    @property
    def remote(self) -> CheckpointObjects:
        """The remote witness, as a process has it that has just started."""
        return self.s3.checkpoints(self.bucket)

    @property
    def carrier(self) -> Carrier:
        return Carrier(Sealing(signer=SIGNER, witness=self.first, remote=self.remote))

    def sign(self, worker: Carrier, *sizes: int) -> None:
        """Sign as the sequencer does."""
        for size in sizes:
            worker.hold(size)
            self.first.keep(note(size))
            worker.bring()

    def delete(self, *sizes: int) -> None:
        for size in sizes:
            self.s3.client.delete_object(Bucket=self.bucket, Key=f"audit/{size:020d}")

    def overwrite(self, size: int, text: str) -> None:
        self.s3.client.put_object(Bucket=self.bucket, Key=f"audit/{size:020d}", Body=text.encode())


@pytest.fixture
def twice(s3: S3Server, tmp_path: Path) -> Twice:
    return Twice(s3, tmp_path)


def covered(worker: Carrier) -> int | None:
    return worker.covered.size if worker.covered else None


def test_each_checkpoint_is_brought(twice: Twice) -> None:
    worker = twice.carrier
    twice.sign(worker, 1, 5, 6)
    assert twice.remote.all() == twice.first.all() == (note(0), note(1), note(5), note(6))
    assert (covered(worker), worker.trouble) == (6, None)


def test_without_a_remote_witness_nothing_is_told(twice: Twice) -> None:
    worker = Carrier(Sealing(signer=SIGNER, witness=twice.first))
    twice.sign(worker, 1)
    assert (worker.covered, worker.trouble) == (None, None)


def test_what_was_signed_before_is_brought_in_portions(twice: Twice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carrier, "_MOST", 2)
    for size in (1, 2, 3):
        twice.first.keep(note(size))
    worker = twice.carrier
    for brought in (2, 3):
        worker.hold(3)
        worker.bring()
        assert covered(worker) == brought
    assert twice.remote.all() == twice.first.all()


def test_workers_that_take_turns_bring_each_once(twice: Twice) -> None:
    one, other = twice.carrier, twice.carrier
    for size in range(1, 8):
        twice.sign(one if size % 2 else other, size)
    other.hold(7)
    other.bring()
    assert covered(other) == 7
    assert twice.remote.all() == twice.first.all()


def test_a_store_that_is_away_is_told_left_alone_for_a_while_and_gets_all_that_it_missed(twice: Twice, s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = twice.carrier
    twice.sign(worker, 1)
    os.kill(s3.pid, signal.SIGSTOP)  # it takes calls, and never answers
    try:
        twice.sign(worker, 2)
        assert worker.trouble is not None
        assert "checkpoints wait to be kept elsewhere: s3://" in worker.trouble
        assert "the store does not answer" in worker.trouble
        twice.sign(worker, 3, 4, 5)  # would take ten seconds each
    finally:
        os.kill(s3.pid, signal.SIGCONT)
    assert covered(worker) == 1

    monkeypatch.setattr(worker, "_away", None)  # as when the while is over
    worker.hold(5)
    worker.bring()
    worker_after: tuple[int | None, str | None] = covered(worker), worker.trouble
    assert worker_after == (5, None)
    assert twice.remote.all() == twice.first.all()


@pytest.mark.parametrize("running", [True, False], ids=["while running", "after a start"])
@pytest.mark.parametrize(
    ("tamper", "said"),
    [
        (lambda twice: twice.delete(0, 1, 2), "keeps no checkpoint"),
        (lambda twice: twice.overwrite(2, "a diary"), "does not hold the checkpoint that it is named after"),
        (lambda twice: twice.overwrite(2, note(1)), "does not hold the checkpoint that it is named after"),
        (lambda twice: twice.overwrite(2, note(2).replace("test ", "test A")), "was not signed by"),
        (lambda twice: twice.overwrite(2, note(2, root=1)), "that the first one lacks"),
        (lambda twice: twice.overwrite(9, note(9)), "that the first one lacks"),
        (lambda twice: twice.first.path.write_text(f"{note(0)}\n{note(1)}\n"), "that the first one lacks"),
    ],
    ids=["emptied", "overwritten", "replaced by another", "forged", "of another tree", "added", "the file was cut back"],
)
def test_a_change_is_found_before_anything_is_signed(twice: Twice, tamper: Callable[[Twice], None], said: str, running: bool) -> None:  # noqa: FBT001 - a parameter
    worker = twice.carrier
    twice.sign(worker, 1, 2)
    tamper(twice)
    worker = worker if running else twice.carrier
    for _ in range(2):
        with pytest.raises(AuditLogChanged, match=said):
            worker.hold(3)


def test_a_last_checkpoint_that_was_deleted_is_missed_by_whoever_saw_it_and_brought_again_by_others(twice: Twice) -> None:
    worker = twice.carrier
    twice.sign(worker, 1, 2)
    twice.delete(2)
    with pytest.raises(AuditLogChanged, match="is of 1 entries, and it kept one of 2 before"):
        worker.hold(3)
    later = twice.carrier
    later.hold()
    later.bring()
    assert twice.remote.all() == twice.first.all()


def test_while_away_a_while_is_some_seconds() -> None:
    assert timedelta(seconds=10) <= carrier._AGAIN_AFTER <= timedelta(seconds=30), "longer than a call waits, and well below the lag that alarms"
