import stat
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from unioneyes.adapters.envoy.files import only_writer
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


def test_two_writers_never_write_at_the_same_time(tmp_path: Path) -> None:
    lock, inside, most = tmp_path / "lock", 0, 0
    counting = threading.Lock()

    def write() -> None:
        nonlocal inside, most
        for _ in range(20):
            with only_writer(lock, within=timedelta(seconds=30)):
                with counting:
                    inside += 1
                    most = max(most, inside)
                with counting:
                    inside -= 1

    writers = [threading.Thread(target=write) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert most == 1


def test_a_writer_gives_up_when_another_one_does_not_end(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with only_writer(lock, within=timedelta(0)), pytest.raises(TimeoutError), only_writer(lock, within=timedelta(0)):
        pass
