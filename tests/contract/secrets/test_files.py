from __future__ import annotations

import os
from pathlib import Path

import pytest

from unioneyes.environments.secrets import resolve
from unioneyes.ports.secrets import LONGEST, SecretReference, SecretUnresolved

CANARY = "canary-of-a-file-8c1f"


def kept(path: Path, text: str | bytes = CANARY, mode: int = 0o600) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(mode)
    return path


def read(path: Path, key: str = "") -> str:
    return resolve(SecretReference.parse(f"secret://file{path}{key}")).get_secret_value()


@pytest.mark.parametrize(
    ("stands", "is_"), [("one", "one"), ("one\n", "one"), ("one\r\n", "one"), ("one\n\n", "one\n"), (" one ", " one "), ("a\nb\n", "a\nb")]
)
def test_one_line_end_behind_it_is_none_of_it(tmp_path: Path, stands: str, is_: str) -> None:
    assert read(kept(tmp_path / "token", stands)) == is_


def test_it_is_read_anew_each_time(tmp_path: Path) -> None:
    before = read(kept(tmp_path / "token"))
    after = read(kept(tmp_path / "token", "another"))

    assert (before, after) == (CANARY, "another")


def test_a_file_below_the_home_is_named_by_a_tilde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    kept(tmp_path / "token")

    assert resolve(SecretReference.parse("secret://file/~/token")).get_secret_value() == CANARY


def test_a_secret_that_kubernetes_mounts_is_read_through_its_links_also_after_it_changed(tmp_path: Path) -> None:
    """As the kubelet lays it out: `token` -> `..data/token`, `..data` -> a folder by the time, swapped at once."""
    mount = tmp_path / "slack"
    mount.mkdir()
    for at, text in (("..2026_01", CANARY), ("..2026_02", "rotated")):
        (mount / at).mkdir()
        kept(mount / at / "token", text, 0o400)
    (mount / "..data").symlink_to("..2026_01")
    (mount / "token").symlink_to("..data/token")
    before = read(mount, "#token")
    (mount / "..data_tmp").symlink_to("..2026_02")
    (mount / "..data_tmp").rename(mount / "..data")

    assert (before, read(mount, "#token")) == (CANARY, "rotated")


@pytest.mark.parametrize("mode", [0o604, 0o620, 0o666, 0o700])
def test_what_others_can_read_or_change_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(SecretUnresolved, match=f"others: its mode is {mode:04o}") as refused:
        read(kept(tmp_path / "token", mode=mode))

    assert "chmod 0600" in refused.value.remedy


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_what_belongs_to_somebody_else_is_refused(tmp_path: Path) -> None:
    os.chown(kept(tmp_path / "token"), 65534, 65534)

    with pytest.raises(SecretUnresolved, match="its owner 65534"):
        read(tmp_path / "token")


def test_a_pipe_a_folder_what_is_not_there_and_what_is_no_text_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    said = {}
    for name, at, key in (
        ("pipe", tmp_path / "pipe", ""),
        ("folder", tmp_path, ""),
        ("gone", tmp_path / "gone", ""),
        ("key of a file", kept(tmp_path / "token"), "#x"),
        ("outside", tmp_path, "#.."),
        ("binary", kept(tmp_path / "binary", b"\xff\xfe" + CANARY.encode()), ""),
        ("long", kept(tmp_path / "long", CANARY * LONGEST), ""),
        ("empty", kept(tmp_path / "empty", "\n"), ""),
        ("nul", kept(tmp_path / "nul", f"{CANARY}\x00"), ""),
    ):
        with pytest.raises(SecretUnresolved) as refused:
            read(at, key)
        said[name] = f"{refused.value}"

    assert not any(CANARY in text for text in said.values())
    assert {name: text.removeprefix(str(tmp_path)).split("(")[0].strip() for name, text in said.items() if name in {"pipe", "folder", "gone", "long"}} == {
        "pipe": "/pipe is no file",
        "folder": "is a folder",
        "gone": "/gone can't be read: No such file or directory",
        "long": "/long is larger than a secret: more than 65536 bytes",
    }
