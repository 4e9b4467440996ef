from __future__ import annotations

import stat
from pathlib import Path

import pytest

from unioneyes.environments.local.secrets import EmptySecret, keep_secrets
from unioneyes.kernel.redaction import Redactor


def test_secrets_are_made_once_and_readable_by_their_owner_only(tmp_path: Path) -> None:
    first = keep_secrets(tmp_path)
    second = keep_secrets(tmp_path)

    assert first == second
    assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()} == {0o600}
    assert len(set(first.values())) == len(first.values()) == len(list(tmp_path.iterdir()))


def test_the_redactor_knows_every_one_of_them(tmp_path: Path) -> None:
    secrets = keep_secrets(tmp_path)
    redact = Redactor(secrets.values())

    assert not any(value in redact(f"it was {value} before") for value in secrets.values())


def test_no_secret_shows_in_the_text_of_the_whole(tmp_path: Path) -> None:
    secrets = keep_secrets(tmp_path)

    assert not any(value in repr(secrets) for value in secrets.values())


def test_no_two_homes_share_a_secret_and_each_is_long(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    one, other = keep_secrets(tmp_path / "one"), keep_secrets(tmp_path / "other")

    assert not {*one.values()} & {*other.values()}
    assert all(len(value) >= 43 for value in (*one.values(), *other.values())), "256 bits"


def test_an_empty_file_is_no_secret(tmp_path: Path) -> None:
    keep_secrets(tmp_path)
    (tmp_path / "api-token").write_text("")

    with pytest.raises(EmptySecret, match="api-token is empty"):
        keep_secrets(tmp_path)
