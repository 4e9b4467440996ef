"""What the server runs, nobody but its own user and root could have written."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from unioneyes.runbook.trusted import Unfit, others_may_write, read_trusted

US = os.getuid()
OUR_GROUP = pwd.getpwuid(US).pw_gid
NOBODYS_GROUP = 2_000_000_011


@pytest.mark.parametrize(
    ("mode", "owner", "group", "others"),
    [
        (0o644, US, OUR_GROUP, False),
        (0o644, 0, 0, False),
        (0o644, US, NOBODYS_GROUP, False),
        (0o646, US, OUR_GROUP, True),
        (0o664, US, NOBODYS_GROUP, True),
        (0o664, 0, 0, False),  # the group that is called like its owner, and has nobody else in it
        (0o600, US + 1, OUR_GROUP, True),
    ],
)
def test_who_else_may_write(*, mode: int, owner: int, group: int, others: bool) -> None:
    assert others_may_write(mode=mode, owner=owner, group=group) is others


def test_what_is_no_file_of_that_kind_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(b"a")
    (tmp_path / "a.md").write_bytes(b"a")
    (tmp_path / "folder.py").mkdir()
    (tmp_path / "gone.py").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe.py")
    assert read_trusted(tmp_path, ".py") == {tmp_path / "a.py": b"a"}
    assert read_trusted(tmp_path / "nowhere", ".py") == {}


def test_a_link_is_as_good_as_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"a")
    (tmp_path / "link.py").symlink_to(tmp_path / "elsewhere")
    assert read_trusted(tmp_path, ".py") == {tmp_path / "link.py": b"a"}
    (tmp_path / "elsewhere").chmod(0o666)
    assert read_trusted(tmp_path, ".py") == {tmp_path / "link.py": Unfit(why="others can write it, and the server would run what they write")}


def test_nothing_in_a_folder_that_others_may_write_is_trusted(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(b"a")
    tmp_path.chmod(0o777)
    assert read_trusted(tmp_path, ".py") == {tmp_path / "a.py": Unfit(why="others can write its folder, and the server would run what they write")}
    tmp_path.chmod(0o700)


def test_a_file_that_is_made_another_one_meanwhile_is_read_as_the_one_that_was_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(b"ours")
    (tmp_path / "theirs").write_bytes(b"theirs")
    looked = os.fstat

    def look_and_be_deceived(descriptor: int) -> os.stat_result:
        found = looked(descriptor)
        if (tmp_path / "theirs").exists() and os.path.samestat(found, path.stat()):
            (tmp_path / "theirs").rename(path)
        return found

    monkeypatch.setattr(os, "fstat", look_and_be_deceived)
    assert read_trusted(tmp_path, ".py") == {path: b"ours"}
