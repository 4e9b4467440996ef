"""The pages' contract on the real file system."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unioneyes.adapters.files import MarkdownFolder, PageNotKept, PathOutside

PAGE = "docs/incidents/2026-02-09-incident.md"


def test_a_page_stands_where_it_was_said_to_stand(tmp_path: Path) -> None:
    where = MarkdownFolder(tmp_path).write(PAGE, "# Incident\n")
    assert Path(where) == tmp_path / PAGE
    assert Path(where).read_text() == "# Incident\n"


@given(text=st.text())
def test_what_was_written_is_read_back_to_the_letter(text: str) -> None:
    with tempfile.TemporaryDirectory(prefix="ue-", dir="/tmp") as folder:
        pages = MarkdownFolder(Path(folder))
        pages.write("page.md", text)
        assert pages.read("page.md") == text


def test_a_page_that_nobody_wrote_reads_as_none(tmp_path: Path) -> None:
    assert MarkdownFolder(tmp_path).read(PAGE) is None


def test_writing_again_replaces_the_page_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    pages = MarkdownFolder(tmp_path)
    pages.write(PAGE, "first")
    pages.write(PAGE, "second")
    assert pages.read(PAGE) == "second"
    assert [entry.name for entry in (tmp_path / PAGE).parent.iterdir()] == ["2026-02-09-incident.md"]


@pytest.mark.parametrize("path", ["../secret.md", "/etc/motd", "docs/../../secret.md", ".", ""])
def test_a_path_outside_the_folder_is_refused(tmp_path: Path, path: str) -> None:
    pages = MarkdownFolder(tmp_path / "root")
    with pytest.raises(PathOutside):
        pages.write(path, "text")
    with pytest.raises(PathOutside):
        pages.read(path)
    assert list(tmp_path.iterdir()) == []


def test_a_link_that_leads_outside_is_refused(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (root / "docs").symlink_to(outside)
    with pytest.raises(PathOutside):
        MarkdownFolder(root).write(PAGE, "text")
    assert list(outside.iterdir()) == []


def test_a_page_that_can_not_be_written_is_a_problem_and_the_old_one_stays(tmp_path: Path) -> None:
    pages = MarkdownFolder(tmp_path)
    pages.write("docs", "a page where a folder should be")
    with pytest.raises(PageNotKept) as problem:
        pages.write(PAGE, "text")
    assert problem.value.remedy
    assert pages.read("docs") == "a page where a folder should be"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [".fence", "docs"]
