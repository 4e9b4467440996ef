import stat
from pathlib import Path

import pytest

from unioneyes.kernel.files import replace_file


def test_a_file_is_replaced_as_a_whole_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    file = tmp_path / "routes.json"
    file.write_text("old")
    before = file.stat().st_ino
    replace_file(file, "new")
    assert file.read_text() == "new"
    assert file.stat().st_ino != before
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["routes.json"]


def test_a_failed_replacement_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = tmp_path / "routes.json"
    (folder / "occupied").mkdir(parents=True)
    with pytest.raises(OSError, match=r"routes\.json"):
        replace_file(folder, "new")
    assert [entry.name for entry in tmp_path.iterdir()] == ["routes.json"]
