"""A second witness is begun once, where no other log is kept, on a store that overwrites nothing; and does not move unseen."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.contract.witness.notes import note
from tests.s3 import KEY, REGION, SECRET, S3Server, credentials
from unioneyes.environments import audit_evidence, kept_checkpoints
from unioneyes.environments.local.audit import build_sealing, checkpoint_file, keep_audit_key, keep_remote_witness
from unioneyes.environments.local.layout import Layout
from unioneyes.environments.remote_witness import ForeignCheckpoints, MalformedAddress, RemoteWitnessMoved
from unioneyes.environments.settings import SettingsRefused, read_settings
from unioneyes.ports.witness import WitnessUnavailable


class Home:
    """An environment's folder, and what its file says of the bucket."""

    def __init__(self, s3: S3Server, folder: Path) -> None:
        self.s3, self.layout = s3, Layout(folder / "home")
        self.bucket = s3.bucket()
        self.credentials = credentials(folder)
        self.layout.claim_home()

    def name(self, bucket: str | None, more: str = "") -> None:
        section = f'[audit.s3]\nbucket = "{bucket}"\nendpoint_url = "{self.s3.url}"\nregion = "{REGION}"\ncredentials_file = "{self.credentials}"\n{more}'
        self.layout.settings.write_text(section if bucket else "")

    def begin(self) -> None:
        """As each start does."""
        key = keep_audit_key(self.layout)
        build_sealing(self.layout, key, keep_remote_witness(self.layout, read_settings(self.layout.settings)))


@pytest.fixture
def home(s3: S3Server, tmp_path: Path) -> Home:
    return Home(s3, tmp_path)


def test_it_keeps_what_the_log_began_with(home: Home) -> None:
    home.name(home.bucket)
    home.begin()
    found = audit_evidence("local", home.layout.home)
    assert found.remote is not None
    assert found.remote.place == f"s3://{home.bucket}/unioneyes/audit/"
    assert found.remote.checkpoints == found.checkpoints
    assert len(found.checkpoints) == 1
    assert (home.layout.audit / "remote").read_text() == f"s3://{home.bucket}/unioneyes/audit/\n"


def test_without_a_bucket_there_is_none(home: Home) -> None:
    home.begin()
    assert audit_evidence("local", home.layout.home).remote is None


def test_a_beginning_that_was_cut_off_is_completed(home: Home) -> None:
    home.name(home.bucket)
    home.begin()
    (home.layout.audit / "remote").unlink()
    home.begin()
    assert (home.layout.audit / "remote").exists()


def test_once_begun_a_start_does_not_ask_it(home: Home) -> None:
    home.name(home.bucket)
    home.begin()
    home.s3.client.delete_object(Bucket=home.bucket, Key=f"unioneyes/audit/{0:020d}")
    home.begin()
    assert home.s3.checkpoints(home.bucket, prefix="unioneyes/audit/").all() == (), "what is gone is not made good by the next start"


def test_a_log_is_not_kept_where_another_one_is(home: Home) -> None:
    home.s3.checkpoints(home.bucket, prefix="unioneyes/audit/").keep(note(5))
    home.name(home.bucket)
    with pytest.raises(ForeignCheckpoints, match="another log"):
        home.begin()
    assert not (home.layout.audit / "remote").exists()


@pytest.mark.parametrize("other", [True, False], ids=["another bucket", "none"])
def test_it_does_not_move_unseen(home: Home, other: bool) -> None:  # noqa: FBT001 - a parameter
    home.name(home.bucket)
    home.begin()
    home.name(home.s3.bucket() if other else None)
    with pytest.raises(RemoteWitnessMoved, match=f"are kept at s3://{home.bucket}/unioneyes/audit/ too") as refused:
        home.begin()
    assert refused.value.remedy.endswith(f"rm {home.layout.audit / 'remote'}")
    (home.layout.audit / "remote").unlink()
    home.begin()


def test_a_bucket_that_is_not_there_is_refused_before_anything_starts(home: Home) -> None:
    home.name("no-such-bucket")
    with pytest.raises(WitnessUnavailable, match="there is no bucket no-such-bucket"):
        home.begin()


def test_a_bucket_without_object_lock_retains_nothing_and_is_refused(home: Home) -> None:
    home.name(home.bucket, '[audit.s3.retention]\nmode = "compliance"\ndays = 30\n')
    with pytest.raises(WitnessUnavailable, match="no object can be retained there"):
        home.begin()


def test_a_bucket_with_object_lock_retains(home: Home) -> None:
    bucket = home.s3.bucket(lock=True)
    home.name(bucket, '[audit.s3.retention]\nmode = "compliance"\ndays = 30\n')
    home.begin()
    kept = home.s3.client.head_object(Bucket=bucket, Key=f"unioneyes/audit/{0:020d}")
    assert kept["ObjectLockMode"] == "COMPLIANCE"


def test_credentials_that_others_can_read_are_refused(home: Home) -> None:
    home.name(home.bucket)
    home.credentials.chmod(0o644)
    with pytest.raises(SettingsRefused, match="can be read or changed by others"):
        home.begin()
    home.credentials.unlink()
    with pytest.raises(SettingsRefused, match="No such file"):
        home.begin()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a file away")
def test_credentials_that_belong_to_somebody_else_are_refused(home: Home) -> None:
    home.name(home.bucket)
    os.chown(home.credentials, 65_534, 65_534)
    with pytest.raises(SettingsRefused, match="its mode is 0600, its owner 65534"):
        home.begin()


def test_keys_of_the_shell_are_not_taken_as_the_server_would_not_have_them(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    home.layout.settings.write_text(f'[audit.s3]\nbucket = "{home.bucket}"\nendpoint_url = "{home.s3.url}"\nregion = "{REGION}"\n')
    with pytest.raises(WitnessUnavailable, match="there are no credentials"):
        home.begin()
    (tmp_path / ".aws").mkdir()
    home.credentials.rename(tmp_path / ".aws" / "credentials")
    home.begin()


def test_an_auditor_reads_the_bucket_without_the_environment(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.name(home.bucket)
    home.begin()
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(home.credentials))
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", home.s3.url)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    assert kept_checkpoints(f"s3://{home.bucket}/unioneyes/audit/") == checkpoint_file(home.layout).all()
    with pytest.raises(MalformedAddress):
        kept_checkpoints("s3:bucket")
