"""The index of the pages: the document's table of contents, with what there is a program for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from unioneyes.kernel.upkeep import Upkeep
from unioneyes.runbook.definition import Definition
from unioneyes.runbook.pages.chapters import WRITTEN_BY, ChapterPage
from unioneyes.runbook.pages.contents import APPENDIX, CONTENTS, DOCUMENT
from unioneyes.runbook.pages.markdown import table
from unioneyes.runbook.pages.upkeep import foot, head

OWN = "commands.md"
"""The page of the project's own runbooks."""


def index(built: Mapping[int, ChapterPage], runbooks: Mapping[str, Definition], commands: Mapping[str, str], upkeep: Upkeep) -> Iterator[str]:
    """Yield the lines of the page; `built` are the chapters by their number, `runbooks` those of the pages, `commands` what a person types for each."""
    yield f"# {DOCUMENT}\n"
    yield f"{WRITTEN_BY}\n"
    yield from head(upkeep)
    yield "These pages say what the program does, and are written from it: it can't disagree with them.\n"
    yield "## Table of Contents\n"
    for chapter in CONTENTS:
        page = built.get(chapter.number)
        linked = chapter.title if page is None else f"[{chapter.title}]({chapter.page})"
        yield f"{chapter.number}. {linked}{' - no program yet: follow the document by hand' if page is None else ''}"
    yield f"\n[{APPENDIX}]({OWN}): which `ue` command stands for what the document types. Your own runbooks stand there too.\n"
    yield "## Runbooks\n"
    stands = {name: page.chapter.page for page in built.values() for name in page.runbooks}
    others = {name: OWN for name in runbooks if name not in stands}
    yield from table(
        ("runbook", "command", "what it is for"),
        [(f"[`{name}`]({page})", f"`{commands[name]}`", runbooks[name].does) for name, page in (stands | others).items()],
    )
    yield ""
    yield from foot(upkeep)
