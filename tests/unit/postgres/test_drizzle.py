from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from unioneyes.adapters.postgres.drizzle import chunks, read_folder, read_folders
from unioneyes.ports.database import FolderUnreadable


def write(folder: Path, *entries: tuple[str, int, bytes], dialect: str = "postgresql") -> Path:
    (folder / "meta").mkdir(parents=True)
    for tag, _, content in entries:
        if "/" not in tag:
            (folder / f"{tag}.sql").write_bytes(content)
    journal = {"version": "7", "dialect": dialect, "entries": [{"idx": 0, "tag": tag, "when": when} for tag, when, _ in entries]}
    (folder / "meta" / "_journal.json").write_text(json.dumps(journal))
    return folder


def test_the_hash_is_of_the_files_own_bytes(tmp_path: Path) -> None:
    content = "SELECT 'ü';\r\n".encode()
    (file,) = read_folder(write(tmp_path / "a", ("0000_a", 1, content)))
    assert file.migration.sha256 == hashlib.sha256(content).hexdigest()
    assert file.migration.rollback_sql is None


def test_the_rollback_of_the_full_name_comes_before_that_of_the_number(tmp_path: Path) -> None:
    folder = write(tmp_path / "a", ("0003_a", 1, b"SELECT 1;"))
    (folder / "0003_rollback.sql").write_text("SELECT 'number';")
    assert read_folder(folder)[0].migration.rollback_sql == "SELECT 'number';"
    (folder / "0003_a_rollback.sql").write_text("SELECT 'name';")
    assert read_folder(folder)[0].migration.rollback_sql == "SELECT 'name';"


def test_only_the_first_line_asks_for_maintenance(tmp_path: Path) -> None:
    folder = write(tmp_path / "a", ("0000_a", 1, b"-- ue: maintenance\nSELECT 1;"), ("0001_b", 2, b"SELECT 1;\n-- ue: maintenance"))
    assert [file.migration.needs_maintenance for file in read_folder(folder)] == [True, False]


def test_folders_form_one_history_whose_times_rise(tmp_path: Path) -> None:
    first = write(tmp_path / "a", ("0000_a", 10, b"SELECT 1;"))
    second = write(tmp_path / "b", ("0001_b", 20, b"SELECT 1;"))
    assert [file.migration.tag for file in read_folders((first, second))] == ["0000_a", "0001_b"]
    with pytest.raises(FolderUnreadable, match="0000_a is not newer than 0001_b"):
        read_folders((second, first))


@pytest.mark.parametrize(
    ("entry", "dialect", "says"),
    [
        (("../../etc/passwd", 1, b""), "postgresql", "tag"),
        (("0000_a", 1, b"\xff"), "postgresql", "not UTF-8"),
        (("0000_a", 1, b"SELECT 1;"), "mysql", "dialect"),
    ],
)
def test_a_folder_that_is_not_what_it_should_be_is_refused(tmp_path: Path, entry: tuple[str, int, bytes], dialect: str, says: str) -> None:
    with pytest.raises(FolderUnreadable, match=says):
        read_folder(write(tmp_path / "a", entry, dialect=dialect))


def test_a_journal_entry_without_its_file_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "a", ("0000_a", 1, b"SELECT 1;"))
    (folder / "0000_a.sql").unlink()
    with pytest.raises(FolderUnreadable, match=r"0000_a\.sql: No such file"):
        read_folder(folder)


def test_a_position_of_postgresql_is_found_as_a_line_of_the_file() -> None:
    first, second = chunks("SELECT 1;\n--> statement-breakpoint\n\n--> statement-breakpoint\n\n  SELECT\n  nosuch;\n")
    assert (first.number, first.line_of(0), first.line_of(8)) == (1, 1, 1)
    assert (second.number, second.line_of(0)) == (3, 6)
    assert second.line_of(second.sql.index("nosuch") + 1) == 7
