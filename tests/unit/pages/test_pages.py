"""The pages in docs/runbook say what the program does, under the document's headings, and a page that does not is found."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from unioneyes.cli.command import run_verb
from unioneyes.cli.pages import wanted_pages
from unioneyes.cli.tree import find
from unioneyes.operations.deployment import verdict
from unioneyes.runbook.pages.card import heading
from unioneyes.runbook.pages.chapters import WRITTEN_BY
from unioneyes.runbook.pages.contents import APPENDIX, CONTENTS, DEPLOYMENT, DOCUMENT, ROLLBACK, Chapter
from unioneyes.runbook.pages.writing import built_in, stale

ROOT = Path(__file__).parents[3]
REQUIREMENT = (ROOT / "tests/unit/documents/data/PRODUCTION_RUNBOOKS.md").read_text(encoding="utf-8")
PAGES = wanted_pages()


def ue(*words: str) -> int:
    verb = find(["runbook", "pages"])
    assert verb is not None
    return run_verb(verb, [*words])


def headings(text: str) -> list[str]:
    """Return the document's headings of the third and fourth level; what stands in a block of code is none."""
    return re.findall(r"^#{3,4} .+$", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE), re.MULTILINE)


def chapter_of_the_requirement(chapter: Chapter) -> str:
    return REQUIREMENT.partition(f"\n## {chapter.title}\n")[2].partition("\n## ")[0]


def test_every_page_says_what_the_program_does() -> None:
    old = stale(ROOT / "docs/runbook", PAGES)
    assert old == (), f"{', '.join(old)} in docs/runbook: not what the program does; write it anew: ue runbook pages"


def test_every_runbook_that_comes_with_the_program_stands_on_exactly_one_page() -> None:
    stands = {name: [page for page, text in PAGES.items() if f"{heading(name)}\n" in text] for name in built_in()}
    assert len(stands) > 5
    assert {name: pages for name, pages in stands.items() if len(pages) != 1} == {}


@pytest.mark.parametrize("chapter", [DEPLOYMENT, ROLLBACK], ids=lambda chapter: chapter.title)
def test_a_page_has_the_document_s_headings_in_their_order(chapter: Chapter) -> None:
    assert headings(PAGES[chapter.page]) == headings(chapter_of_the_requirement(chapter))


def test_the_contents_are_the_document_s() -> None:
    listed = re.findall(r"^(\d)\. \[(.+?)\]", REQUIREMENT.partition("## Table of Contents")[2].partition("---")[0], re.MULTILINE)
    assert [(chapter.number, chapter.title) for chapter in CONTENTS] == [(int(number), title) for number, title in listed]
    assert REQUIREMENT.startswith(f"# {DOCUMENT}\n")
    assert f"\n## {APPENDIX}\n" in REQUIREMENT


def test_the_index_says_which_chapters_have_no_program() -> None:
    index = PAGES["README.md"]
    for chapter in CONTENTS:
        assert (f"{chapter.number}. [{chapter.title}]({chapter.page})\n" in index) is (chapter.page in PAGES)
        assert (f"{chapter.number}. {chapter.title} - no program yet" in index) is (chapter.page not in PAGES)


def test_a_limit_that_is_changed_makes_its_page_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verdict, "FEWEST_ANSWERS", 41)
    changed = wanted_pages()
    assert [name for name in changed if changed[name] != PAGES[name]] == [DEPLOYMENT.page]


def test_a_stale_page_is_named_with_the_command_that_mends_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ue("--to", str(tmp_path)) == 0
    assert ue("--check", "--to", str(tmp_path)) == 0
    page = tmp_path / ROLLBACK.page
    page.write_text(PAGES[ROLLBACK.page].replace("5 min", "9 min"), encoding="utf-8")
    capsys.readouterr()
    assert ue("--check", "--to", str(tmp_path)) == 1
    said = capsys.readouterr().err
    assert f"not what the program does: {page}\n" in said
    assert f"remedy: ue runbook pages --to {tmp_path}\n" in said
    assert ue("--to", str(tmp_path)) == 0
    assert capsys.readouterr().out == f"{page}\n"
    assert page.read_text(encoding="utf-8") == PAGES[ROLLBACK.page]


def test_a_page_of_what_is_no_more_goes_and_somebody_s_own_stays(tmp_path: Path) -> None:
    (tmp_path / "8-old-chapter.md").write_text(f"# 8. Old chapter\n\n{WRITTEN_BY}\n", encoding="utf-8")
    (tmp_path / "notes.md").write_text("# Mine\n", encoding="utf-8")
    assert "8-old-chapter.md" in stale(tmp_path, PAGES)
    assert ue("--to", str(tmp_path)) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*PAGES, "notes.md"])
