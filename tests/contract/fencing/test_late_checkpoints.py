"""A worker that was stopped before it kept a checkpoint of the audit log, and wakes up when another one has kept more, changes nothing there."""

from __future__ import annotations

from pathlib import Path
from types import CodeType

import pytest

from tests.contract.fencing.late import KILLED, late
from tests.contract.witness.notes import SIGNER, note
from tests.s3 import REGION, S3Server, credentials
from unioneyes.adapters.files import CheckpointFile
from unioneyes.adapters.s3 import CheckpointObjects, s3_client
from unioneyes.kernel.fencing import Fence
from unioneyes.runbook.audit.carrier import Carrier
from unioneyes.runbook.audit.sealing import Sealing

pytestmark = pytest.mark.stack

OUTSIDE = Fence._lock.__code__


@pytest.mark.parametrize(("before", "outcome"), [(OUTSIDE, "witness-overtaken"), (CheckpointFile._append.__code__, KILLED)], ids=["outside", "inside"])
def test_checkpoints_in_a_file(tmp_path: Path, before: CodeType, outcome: str) -> None:
    witness = CheckpointFile(tmp_path / "checkpoints")
    witness.keep(note(1))
    with late(lambda: witness.keep(note(2)), before=before) as stopped:
        witness.keep(note(3))
        assert stopped.wake() == outcome
    assert witness.all() == (note(1), note(3))


@pytest.mark.parametrize("before", [CheckpointObjects._last.__code__, CheckpointObjects._put.__code__], ids=["before it looks", "before it writes"])
def test_checkpoints_in_a_bucket(s3: S3Server, tmp_path: Path, before: CodeType) -> None:
    bucket = s3.bucket()
    witness = s3.checkpoints(bucket)
    witness.keep(note(1))
    with late(lambda: own(s3, bucket, tmp_path).keep(note(2, root=1)), before=before) as stopped:
        witness.keep(note(2))
        witness.keep(note(3))
        assert stopped.wake() == "witness-overtaken"
    assert s3.checkpoints(bucket).all() == (note(1), note(2), note(3))


@pytest.mark.parametrize("before", [CheckpointObjects._last.__code__, CheckpointObjects._put.__code__], ids=["before it looks", "before it writes"])
def test_checkpoints_that_are_brought_to_a_bucket(s3: S3Server, tmp_path: Path, before: CodeType) -> None:
    """Each is brought by name, so whoever comes late finds his name taken, also where more was kept behind it."""
    bucket = s3.bucket()
    first = CheckpointFile(tmp_path / "checkpoints")
    for witness in (first, s3.checkpoints(bucket)):
        witness.keep(note(0))
    first.keep(note(1))
    with late(lambda: bring(first, own(s3, bucket, tmp_path)), before=before) as stopped:
        first.keep(note(2))
        bring(first, s3.checkpoints(bucket))
        assert stopped.wake() == "done", "there was nothing left to bring"
    versions = s3.client.list_object_versions(Bucket=bucket)["Versions"]
    assert len(versions) == 3, "each was written once"
    assert s3.checkpoints(bucket).all() == first.all() == (note(0), note(1), note(2))


def bring(first: CheckpointFile, remote: CheckpointObjects) -> None:
    """`remote` keeps what `first` does."""
    carrier = Carrier(Sealing(signer=SIGNER, witness=first, remote=remote))
    carrier.hold(1)
    carrier.bring()


def own(s3: S3Server, bucket: str, folder: Path) -> CheckpointObjects:
    """Return the witness with connections of its own: a worker shares none with another one."""
    return CheckpointObjects(s3_client(endpoint_url=s3.url, region=REGION, credentials_file=credentials(folder)), bucket=bucket, prefix="audit/")
