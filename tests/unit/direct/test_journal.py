"""The local journal of a break-glass run: cut anywhere it reads back a prefix, and whatever else is done to it shows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from unioneyes.runbook.direct.folder import DirectFolder, SomebodyIsAtIt
from unioneyes.runbook.direct.journal import DirectJournal, DirectLine, JournalDamaged, JournalNotKept, read_journal, read_lines
from unioneyes.runbook.views import EntryKind, JournalEntry

AT = datetime(2026, 2, 9, 14, 30, 0, 123456, tzinfo=UTC)
RUN = "rollback-20260209-143000-k7m2q"
_TEXTS = st.text(max_size=20) | st.sampled_from(["line\u2028separator", "two\nlines", "caf\u00e9 \U0001f525", '{"v":1}\n'])
_VALUES: st.SearchStrategy[JsonValue] = st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False, allow_infinity=False) | _TEXTS


def line(number: int, *, message: str = "done", by: str = "jane", data: dict[str, JsonValue] | None = None) -> DirectLine:
    at = AT + timedelta(seconds=number)
    return DirectLine(by=by, entry=JournalEntry(seq=number, run_id=RUN, at=at, kind=EntryKind.STEP_DONE, step="shift", message=message, data=data or {}))


def written(folder: Path, *lines: DirectLine) -> Path:
    path = folder / f"{RUN}.jsonl"
    journal = DirectJournal(path)
    for each in lines:
        journal.append(each)
    journal.close()
    return path


@given(said=st.lists(st.tuples(_TEXTS, st.dictionaries(_TEXTS, _VALUES, max_size=3)), min_size=1, max_size=4), share=st.floats(0, 1))
def test_cut_at_any_byte_it_reads_back_the_whole_lines_and_goes_on(
    tmp_path_factory: pytest.TempPathFactory, said: list[tuple[str, dict[str, JsonValue]]], share: float
) -> None:
    lines = tuple(line(number, message=message, data=data) for number, (message, data) in enumerate(said, start=1))
    path = written(tmp_path_factory.mktemp("cut"), *lines)
    whole = path.read_bytes()
    kept = whole[: round(share * len(whole))]
    path.write_bytes(kept)

    found = read_journal(path)
    assert found == lines[: kept.count(b"\n")]

    again = DirectJournal(path)
    for each in lines[len(found) :]:
        again.append(each)
    again.close()
    assert path.read_bytes() == whole


def test_a_tail_that_a_power_cut_left_is_no_line_and_is_written_over(tmp_path: Path) -> None:
    path = written(tmp_path, line(1))
    with path.open("ab") as file:
        file.write(bytes(100))
    assert read_journal(path) == (line(1),)
    journal = DirectJournal(path)
    journal.append(line(2))
    journal.close()
    assert read_journal(path) == (line(1), line(2))


@pytest.mark.parametrize("at", [1, 2])
@pytest.mark.parametrize("how", ["changed", "removed", "doubled", "spaced", "emptied"])
def test_whatever_is_done_to_a_line_before_the_last_shows(tmp_path: Path, how: str, at: int) -> None:
    lines = written(tmp_path, line(1), line(2), line(3)).read_bytes().splitlines(keepends=True)
    one = lines[at - 1]
    lines[at - 1 : at] = {"changed": [one.replace(b"jane", b"joan")], "removed": [], "doubled": [one, one], "spaced": [b" " + one], "emptied": [b"\n"]}[how]
    with pytest.raises(JournalDamaged, match="is not what was written"):
        read_lines(b"".join(lines), "journal")


@given(st.binary(max_size=200))
def test_anything_else_is_damaged_or_empty_and_never_a_line(noise: bytes) -> None:
    try:
        assert read_lines(noise, "noise") == ()
    except JournalDamaged:
        assert b"\n" in noise


def test_lines_of_two_runs_make_no_journal(tmp_path: Path) -> None:
    other = line(2)
    stranger = DirectLine(by="jane", entry=JournalEntry(seq=2, run_id="rollback-other", at=AT, kind=EntryKind.RUN_ENDED, step=None, message="", data={}))
    assert other != stranger
    path = written(tmp_path, line(1), stranger)
    with pytest.raises(JournalDamaged):
        read_journal(path)


def test_only_its_owner_can_read_it(tmp_path: Path) -> None:
    path = written(tmp_path, line(1))
    assert path.stat().st_mode & 0o777 == 0o600
    folder = DirectFolder(tmp_path / "break-glass")
    with folder.alone("jane"):
        assert folder.path.stat().st_mode & 0o777 == 0o700
        assert (folder.path / "lock").stat().st_mode & 0o777 == 0o600


def test_where_nothing_can_be_written_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(JournalNotKept, match="can't be written"):
        DirectJournal(tmp_path / "file" / "journal.jsonl")
    with pytest.raises(JournalNotKept), DirectFolder(tmp_path / "file" / "break-glass").alone("jane"):
        pass


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"")
    (tmp_path / "journal.jsonl").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(JournalNotKept):
        DirectJournal(tmp_path / "journal.jsonl")


def test_one_person_at_a_time_and_the_other_is_told_who(tmp_path: Path) -> None:
    folder = DirectFolder(tmp_path / "break-glass")
    with folder.alone("jane"), pytest.raises(SomebodyIsAtIt, match="under way by jane, process"), folder.alone("joan"):
        pass
    with folder.alone("joan"):
        pass


def test_what_was_brought_in_is_kept_and_not_open_any_more(tmp_path: Path) -> None:
    folder = DirectFolder(tmp_path / "break-glass")
    assert folder.open_journals() == ()
    with folder.alone("jane"):
        written(folder.path, line(1))
    (journal,) = folder.open_journals()
    assert journal == folder.journal_of(RUN)
    folder.set_aside(journal)
    assert folder.open_journals() == ()
    assert read_journal(folder.path / f"{RUN}.jsonl.imported") == (line(1),)
