"""Every page, as the code says it now; which ones in a folder say something else; and the folder with what they should say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from unioneyes.kernel.upkeep import Upkeep
from unioneyes.runbook.definition import Definition, definitions
from unioneyes.runbook.documents.page import page as own_page
from unioneyes.runbook.pages.chapters import WRITTEN_BY, ChapterPage, chapter_page
from unioneyes.runbook.pages.index import OWN, index

INDEX = "README.md"


def built_in() -> dict[str, Definition]:
    """Return the registered runbooks that come with the program, by name."""
    return {known.name: known for known in definitions() if known.module.startswith("unioneyes.")}


def pages(chapters: Iterable[ChapterPage], commands: Mapping[str, str], upkeep: Upkeep) -> dict[str, str]:
    """Return the text of every page by the name of its file; `commands` says what a person types for a runbook that has a command of its own."""
    built = {page.chapter.number: page for page in chapters}
    runbooks = built_in()
    typed = {name: commands.get(name, f"ue runbook run {name}") for name in runbooks}
    return {
        INDEX: "\n".join(index(built, runbooks, typed, upkeep)),
        **{page.chapter.page: "\n".join(chapter_page(page, runbooks, typed, upkeep)) for page in built.values()},
        OWN: own_page(runbooks, typed),
    }


def stale(folder: Path, wanted: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names of the pages in `folder` that do not say what is `wanted`: they say something else, are missing, or were written for what is no more."""
    there = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.md")}
    left = {name for name, text in there.items() if name not in wanted and WRITTEN_BY in text}
    return tuple(sorted(left | {name for name, text in wanted.items() if there.get(name) != text}))


def write(folder: Path, wanted: Mapping[str, str]) -> tuple[str, ...]:
    """The folder holds the pages that are `wanted`, and none that was written for what is no more; return the names of those that changed. Raises: OSError."""
    changed = stale(folder, wanted)
    folder.mkdir(parents=True, exist_ok=True)
    for name in changed:
        if name in wanted:
            (folder / name).write_text(wanted[name], encoding="utf-8")
        else:
            (folder / name).unlink()
    return changed
