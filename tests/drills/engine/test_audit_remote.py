"""A second witness, on an object store: it gets every checkpoint, sealing goes on without it, and what is changed there is found."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.drills.engine.audited import SIGNER, Audited
from tests.s3 import S3Server, running_s3
from unioneyes.adapters.s3 import CheckpointObjects
from unioneyes.ports.witness import WitnessChanged
from unioneyes.runbook.audit.export import read_export
from unioneyes.runbook.audit.log import AuditLog
from unioneyes.runbook.audit.problems import AuditLogChanged
from unioneyes.runbook.audit.verification import compare, verify


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with running_s3(tmp_path_factory.mktemp("s3")) as server:
        yield server


@dataclass
class Twice:
    """A log that is kept twice, and whoever may write to the bucket."""

    log: Audited
    s3: S3Server
    bucket: str

    @property
    def remote(self) -> CheckpointObjects:
        """The remote witness, as a process has it that has just started."""
        return self.s3.checkpoints(self.bucket)

    def delete(self, *sizes: int) -> None:
        for size in sizes:
            self.s3.client.delete_object(Bucket=self.bucket, Key=f"audit/{size:020d}")

    def overwrite(self, size: int, text: str) -> None:
        self.s3.client.put_object(Bucket=self.bucket, Key=f"audit/{size:020d}", Body=text.encode())

    def fault(self) -> str:
        """Return what `ue audit verify` finds wrong."""
        try:
            kept = self.remote.all()
        except WitnessChanged as problem:
            return problem.what
        _, leaves = read_export(self.log.log.export())
        found = verify(leaves, (*self.log.witness.all(), *kept), SIGNER.verifier).fault or compare(self.log.witness.all(), kept)
        return found.what if found else ""


@pytest.fixture
def twice(audited: Audited, s3: S3Server) -> Twice:
    bucket = s3.bucket()
    remote = s3.checkpoints(bucket)
    remote.keep(*audited.witness.all())
    audited.remote = remote
    return Twice(audited, s3, bucket)


def test_every_checkpoint_is_brought_and_counts_only_then(twice: Twice) -> None:
    log = twice.log
    log.sealed(3, 1, 4)
    assert twice.remote.all() == log.witness.all()
    assert len(twice.remote.all()) == 4
    assert twice.fault() == ""


def test_what_was_signed_before_there_was_a_second_witness_is_brought_too(audited: Audited, s3: S3Server) -> None:
    audited.sealed(1, 1, 1)
    remote = s3.checkpoints()
    remote.keep(audited.witness.all()[0])
    audited.remote = remote
    audited.sequencer.seal()
    assert remote.all() == audited.witness.all()


def test_workers_that_take_turns_bring_each_checkpoint_once(twice: Twice) -> None:
    one, other = twice.log.sequencer, twice.log.sequencer
    for number in range(6):
        twice.log.append(str(number))
        for worker in (one, other) if number % 2 else (other, one):
            worker.seal()
    assert twice.remote.all() == twice.log.witness.all()
    assert len(twice.remote.all()) == 7


def test_sealing_goes_on_while_the_store_is_away_and_the_lag_tells(audited: Audited, tmp_path: Path) -> None:
    folder = tmp_path / "store"
    folder.mkdir()
    with running_s3(folder) as s3:
        audited.remote = remote = s3.checkpoints()
        remote.keep(*audited.witness.all())
        log = AuditLog(audited.database, audited.sealing)
        sequencer = log._sequencer
        assert sequencer is not None
        audited.append("0")
        assert sequencer.seal() == 1
        status = log.status()
        assert (status.covered, status.unsealed, status.lag_seconds) == (1, 0, 0)

        os.kill(s3.pid, signal.SIGSTOP)  # it takes calls, and never answers
        try:
            for number in (1, 2):
                audited.append(str(number))
                assert sequencer.seal() == 1
        finally:
            os.kill(s3.pid, signal.SIGCONT)
        assert [note.split("\n")[1] for note in audited.witness.all()] == ["0", "1", "2", "3"], "the first witness has them"
        sequencer.trouble = sequencer._carrier.trouble  # as the thread has it after each turn
        status = log.status()
        assert (status.sealed, status.covered) == (3, 1)
        assert status.lag_seconds > 0
        assert status.trouble is not None
        assert "checkpoints wait to be kept elsewhere: s3://" in status.trouble
        assert "the store does not answer" in status.trouble

        sequencer._carrier._away = None  # as when it was left alone for long enough
        sequencer.seal()
        assert remote.all() == audited.witness.all(), "none is left out"
        assert (log.status().covered, sequencer._carrier.trouble) == (3, None)


def emptied(twice: Twice) -> None:
    twice.delete(0, 2, 4, 6)


def last_deleted(twice: Twice) -> None:
    twice.delete(6)


def last_overwritten(twice: Twice) -> None:
    twice.overwrite(6, "a diary")


def last_is_of_another_size(twice: Twice) -> None:
    twice.overwrite(6, twice.log.witness.all()[1])


@pytest.mark.parametrize("tamper", [emptied, last_deleted, last_overwritten, last_is_of_another_size])
def test_a_change_of_the_bucket_ends_signing(twice: Twice, tamper: Callable[[Twice], None]) -> None:
    running = twice.log.sequencer
    twice.log.append("0", "1")
    running.seal()
    for batch in ("23", "45"):
        twice.log.append(*batch)
        running.seal()
    before = twice.log.witness.all()

    tamper(twice)

    twice.log.append("later")
    for _ in range(2):  # after its first refusal it reads everything again
        with pytest.raises(AuditLogChanged, match=r"remote witness|audit/0+6 does not hold"):
            running.seal()
    assert twice.log.witness.all() == before, "nothing was signed"


@pytest.mark.parametrize(
    ("tamper", "said"),
    [
        (emptied, "the remote witness keeps no checkpoint"),
        (lambda twice: twice.delete(0), "lacks the checkpoint of 0 entries"),
        (lambda twice: twice.delete(4), "lacks the checkpoint of 4 entries"),
        (lambda twice: twice.overwrite(4, "a diary"), "00000000000000000004 does not hold the checkpoint"),
        (last_is_of_another_size, "00000000000000000006 does not hold the checkpoint"),
        (lambda twice: twice.overwrite(4, twice.log.witness.all()[2]), ""),
        (lambda twice: twice.overwrite(4, f"unioneyes/drill\n4\n{'A' * 43}=\n\n" + twice.log.witness.all()[2].split("\n\n")[1]), "was not signed by"),
        (lambda twice: twice.overwrite(7, f"unioneyes/drill\n7\n{'A' * 43}=\n\n" + twice.log.witness.all()[2].split("\n\n")[1]), "was not signed by"),
    ],
    ids=["emptied", "first deleted", "one deleted", "one overwritten", "one replaced by another", "untouched", "one forged", "one added"],
)
def test_a_change_of_the_bucket_is_found_by_who_verifies(twice: Twice, tamper: Callable[[Twice], None], said: str) -> None:
    twice.log.sealed(2, 2, 2)
    tamper(twice)
    fault = twice.fault()
    assert (said in fault) if said else fault == ""


def test_a_bucket_that_was_emptied_is_found_after_a_start_too(twice: Twice) -> None:
    twice.log.sealed(2, 2)
    before = twice.log.witness.all()
    twice.delete(0, 2, 4)
    twice.log.append("later")
    for _ in range(2):
        with pytest.raises(AuditLogChanged, match="the remote witness keeps no checkpoint"):
            twice.log.sequencer.seal()
    assert twice.log.witness.all() == before


def test_a_file_that_was_cut_back_is_found_after_a_start_too(twice: Twice) -> None:
    """Whoever owns the database and the file rewrites the end of the log, and waits for the server's next start."""
    twice.log.sealed(2)
    earlier = twice.log.witness.path.read_bytes()
    twice.log.append("2")
    twice.log.sequencer.seal()
    twice.log.tamper("DELETE FROM ue.audit_entries WHERE run_id = 'drill-2'", "DELETE FROM ue.audit_leaves WHERE index = 2")
    twice.log.witness.path.write_bytes(earlier)
    assert "entry 2 is missing" in twice.fault()
    twice.log.append("instead")

    for _ in range(2):
        with pytest.raises(AuditLogChanged, match="keeps a checkpoint of 3 entries that the first one lacks"):
            twice.log.sequencer.seal()
    assert twice.log.witness.path.read_bytes() == earlier, "nothing was signed"
