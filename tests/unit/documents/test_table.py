"""The table of commands names what exists."""

from __future__ import annotations

from unioneyes.cli.tree import VERBS
from unioneyes.runbook.documents.equivalents import equivalent, equivalents
from unioneyes.runbook.documents.lint.finding import commands
from unioneyes.runbook.documents.model import Document


def exists(command: str) -> bool:
    return any(f"{command} ".startswith(f"ue {verb.words} ") for verb in VERBS)


def test_a_command_that_the_table_offers_exists_and_one_that_comes_later_does_not_yet() -> None:
    assert {row.ue: row.comes for row in equivalents() if exists(row.ue) is not (row.comes is None)} == {}


def test_the_commands_of_the_requirement_are_known(requirement: Document) -> None:
    found = {typed.shown: row.ue for typed in commands(requirement) if (row := equivalent(typed.command.text)) is not None}
    assert found["pnpm tsx scripts/scan-rls-usage-v2.ts --scope=tenant --max-violations=0"] == "ue check rls"
    assert [ue for typed, ue in found.items() if '"version":"blue"' in typed] == ["ue rollback traffic"]
    assert [ue for typed, ue in found.items() if '"version":"green"' in typed] == ["ue deploy start VERSION"]


def test_every_row_fits_a_command_of_the_requirement(requirement: Document) -> None:
    used = {row.does for typed in commands(requirement) if (row := equivalent(typed.command.text)) is not None}
    assert {row.does for row in equivalents()} - used == set()
