"""`[backup]` in the environment's file: where, how long, to whom, and when."""

from __future__ import annotations

from datetime import UTC, time, timedelta
from pathlib import Path

import pytest

from unioneyes.adapters.files import BackupFolder
from unioneyes.adapters.postgres.encoding import BadKey
from unioneyes.adapters.s3 import BackupObjects
from unioneyes.environments.backup_settings import BackupSettings
from unioneyes.environments.backup_store import build_archive, retention_of
from unioneyes.environments.settings import SettingsRefused, read_settings
from unioneyes.ports.database import KEPT_AS_DOCUMENTED

PUBLIC = "age1ac77wz9rss6u8rcsm6pw3pkpy8n984q72z08z43zwh935k6ftgnqsepgxl"
"""Of nobody; the same each time, for it stands in the names of tests."""


def read(folder: Path, text: str) -> BackupSettings:
    file = folder / "environment.toml"
    file.write_text(f"[backup]\n{text}\n")
    return read_settings(file).backup


def test_without_a_word_it_is_as_the_document_says(tmp_path: Path) -> None:
    settings = read(tmp_path, "")
    assert (settings.daily, settings.keep) == (time(2, 0, tzinfo=UTC), timedelta(days=30))
    assert retention_of(settings) == KEPT_AS_DOCUMENTED
    archive = build_archive(settings, folder=tmp_path / "backups", work=tmp_path)
    assert archive.store == BackupFolder(tmp_path / "backups")
    assert (archive.recipients, archive.identity) == ((), None)


def test_all_of_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "credentials").write_text("[default]\naws_access_key_id = a\naws_secret_access_key = b\n")
    (tmp_path / "credentials").chmod(0o600)
    settings = read(
        tmp_path,
        f"""
to = "s3://acme-backups/unioneyes/nightly"
endpoint_url = "https://store.example.org"
region = "eu-central-1"
credentials_file = "{tmp_path}/credentials"
recipients = ["{PUBLIC}"]
identity = "secret://file{tmp_path}/key"
daily = "23:30"
keep = "90d"
keep_at_least = 3
keep_failed = "12h"
""",
    )
    assert settings.daily == time(23, 30, tzinfo=UTC)
    archive = build_archive(settings, folder=tmp_path, work=tmp_path)
    assert isinstance(archive.store, BackupObjects)
    assert archive.store.place == "s3://acme-backups/unioneyes/nightly/"
    assert archive.recipients == (PUBLIC,)
    assert archive.identity is not None
    assert read(tmp_path, 'daily = "never"').daily is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('daily = "2am"', "time of day"),
        ('daily = "24:00"', "time of day"),
        ("daily = 2", "time of day"),
        ('to = "backups"', "to"),
        ('to = "s3://A/b"', "to"),
        ('to = "ftp://x/y"', "to"),
        ('region = "eu-central-1"', "go with to"),
        ('recipients = ["ssh-ed25519 AAAA"]', "recipients"),
        (f'recipients = ["{PUBLIC[:-1]}!"]', "recipients"),
        ('identity = "AGE-SECRET-KEY-1QQQ"', "a secret itself may not stand here"),
        ('keep = "0s"', "longer than nothing"),
        ("keep_at_least = 0", "keep_at_least"),
        ("often = true", "often"),
    ],
)
def test_what_makes_no_sense_is_refused_where_it_stands(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(SettingsRefused, match="backup") as caught:
        read(tmp_path, text)
    assert says in caught.value.what
    assert "QQQ" not in caught.value.what


def test_credentials_that_others_read_are_refused(tmp_path: Path) -> None:
    (tmp_path / "credentials").write_text("")
    (tmp_path / "credentials").chmod(0o644)
    settings = read(tmp_path, f'to = "s3://acme-backups"\ncredentials_file = "{tmp_path}/credentials"')
    with pytest.raises(SettingsRefused, match="can be read or changed by others"):
        build_archive(settings, folder=tmp_path, work=tmp_path)


def test_a_public_key_with_a_slip_of_the_pen_is_refused_before_anything_is_encrypted_to_it(tmp_path: Path) -> None:
    slipped = PUBLIC[:-1] + ("q" if PUBLIC[-1] != "q" else "p")
    with pytest.raises(BadKey, match="no public key"):
        build_archive(read(tmp_path, f'recipients = ["{slipped}"]'), folder=tmp_path, work=tmp_path)
