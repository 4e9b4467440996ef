"""The page docs/runbook/commands.md, written from the tables that the plan and the lint use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from unioneyes.kernel.units import format_duration
from unioneyes.runbook.definition import Definition
from unioneyes.runbook.documents.effects import RULE
from unioneyes.runbook.documents.equivalents import equivalents
from unioneyes.runbook.documents.lint.checks import RULES
from unioneyes.runbook.documents.words import LONGEST, USUAL
from unioneyes.runbook.pages.card import card, introduced
from unioneyes.runbook.pages.chapters import WRITTEN_BY
from unioneyes.runbook.pages.markdown import table

RUNBOOKS = ("document.read", "document.run")
CHAPTERS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (
        "Emergency commands",
        (
            "`ue app status`, `pods`, `logs`, `describe` and `image` only look; `ue app shell` tells the way into a pod, once the audit log knows who goes in, "
            "and why ([why](../decisions/0037-pods-in-both-worlds.md))."
        ),
        ("app.restart", "app.scale"),
    ),
    (
        "Under attack",
        (
            "`ue edge status` shows how much each client's address may ask, and who is kept out. What is changed counts when the data plane says that it does "
            "it, and a real request shows it; no connection ends for it ([why](../decisions/0040-the-edge-in-both-worlds.md))."
        ),
        ("edge.limit", "edge.deny"),
    ),
    (
        "Database sessions",
        (
            "`ue db status`, `connections`, `queries`, `locks`, `slow` and `lag` only look, as a role that reads no table; queries are shown without the "
            "values that stand in them ([why](../decisions/0042-sessions-are-seen-by-a-role-of-their-own.md))."
        ),
        ("database.end_idle", "database.end_session"),
    ),
    (
        "Backup and restore",
        (
            "`ue backup list` and `ue backup show` say how each backup was proven, where it is kept, and whether the next prune keeps it "
            "([why](../decisions/0043-backups-are-streamed-and-kept-by-a-rule.md))."
        ),
        ("backup.create", "backup.verify", "backup.prune", "backup.restore"),
    ),
    (
        "Recovery to the second",
        (
            "`ue backup wal` shows how the database's log is kept, and what can be recovered to; `ue db failover-check`, what would be lost with the primary "
            "([why](../decisions/0045-recovery-to-the-second.md))."
        ),
        ("backup.base", "backup.pitr"),
    ),
)
"""Runbooks that stand in no chapter of the pages: what the chapter is called, what only looks, and which they are."""


def page(runbooks: Mapping[str, Definition], commands: Mapping[str, str]) -> str:
    """Return the page; `commands` says what a person types for each runbook."""
    return "\n".join(_lines(runbooks, commands))


def _lines(runbooks: Mapping[str, Definition], commands: Mapping[str, str]) -> Iterator[str]:
    yield "# Your own runbooks: what stands for what, and what is found\n"
    yield f"{WRITTEN_BY}\n"
    yield "A Markdown document in `runbooks/`, or at any path, is a runbook: `ue runbook lint|plan|run FILE`. Each fenced `bash` or `sql` block is a step.\n"
    yield "## What a document types, and what `ue` does\n"
    yield "A plan names these where a command is not installed; the lint names them everywhere.\n"
    yield from table(
        ("the document", "`ue`", "in this release", "what it does beyond that"),
        [(f"`{row.does}`", f"`{row.ue}`", "yes" if row.comes is None else f"no: comes with the chapter {row.comes}", row.why) for row in equivalents()],
    )
    yield ""
    for title, looks, names in CHAPTERS:
        yield f"## {title}\n"
        yield f"{looks}\n"
        for name in names:
            yield from card(runbooks[name], commands[name])
    yield "## What a block does to the world\n"
    yield f"{RULE}\n"
    yield (
        f"Behind the language may stand `timeout=DURATION` ({format_duration(USUAL)} when not given, {format_duration(LONGEST)} at most), and `undo`: the "
        "block then takes back the one above it, also one that was left half-done, so it must be harmless when there is nothing to take back.\n"
    )
    for name in RUNBOOKS:
        yield from introduced(runbooks[name], commands[name])
    yield "Both check the document first; then each block is a step, in the document's order.\n"
    yield "## What the lint finds\n"
    yield (
        "A block with an error is not run until it is corrected, or until the document itself accepts it, by a comment directly above the block: "
        "`<!-- ue: accept RULE: why -->`.\n"
    )
    yield from table(
        ("rule", "severity", "a document that", "what really happens", "to do"),
        [(f"`{rule.id}`", rule.severity.value, rule.title, rule.wrong, rule.do) for rule in RULES],
    )
    yield ""
