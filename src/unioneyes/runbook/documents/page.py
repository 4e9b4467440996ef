"""The page docs/runbook/commands.md, written from the tables that the plan and the lint use.

`python -m unioneyes.runbook.documents.page > docs/runbook/commands.md` writes it anew; a test holds that nobody forgot to.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from unioneyes.kernel.units import format_duration
from unioneyes.runbook.documents.effects import RULE
from unioneyes.runbook.documents.equivalents import equivalents
from unioneyes.runbook.documents.lint.checks import RULES
from unioneyes.runbook.documents.words import LONGEST, USUAL

_WRITTEN_BY = "<!-- Written by `python -m unioneyes.runbook.documents.page`; change the tables in the code, not this page. -->"


def page() -> str:
    """Return the page."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield "# Your own runbooks: what stands for what, and what is found\n"
    yield f"{_WRITTEN_BY}\n"
    yield "A Markdown document in `runbooks/`, or at any path, is a runbook: `ue runbook lint|plan|run FILE`. Each fenced `bash` or `sql` block is a step.\n"
    yield "## What a document types, and what `ue` does\n"
    yield "A plan names these where a command is not installed; the lint names them everywhere.\n"
    yield from _table(
        ("the document", "`ue`", "in this release", "what it does beyond that"),
        [(f"`{row.does}`", f"`{row.ue}`", "yes" if row.comes is None else f"no: comes with the chapter {row.comes}", row.why) for row in equivalents()],
    )
    yield "\n## What a block does to the world\n"
    yield f"{RULE}\n"
    yield (
        f"Behind the language may stand `timeout=DURATION` ({format_duration(USUAL)} when not given, {format_duration(LONGEST)} at most), and `undo`: the "
        "block then takes back the one above it, also one that was left half-done, so it must be harmless when there is nothing to take back.\n"
    )
    yield "## What the lint finds\n"
    yield (
        "A block with an error is not run until it is corrected, or until the document itself accepts it, by a comment directly above the block: "
        "`<!-- ue: accept RULE: why -->`.\n"
    )
    yield from _table(
        ("rule", "severity", "a document that", "what really happens", "to do"),
        [(f"`{rule.id}`", rule.severity.value, rule.title, rule.wrong, rule.do) for rule in RULES],
    )
    yield ""


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield _row(head)
    yield _row(["---"] * len(head))
    yield from (_row(row) for row in rows)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


if __name__ == "__main__":
    sys.stdout.write(page())
