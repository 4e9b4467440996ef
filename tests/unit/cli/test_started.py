"""What a person types to start a runbook, as the pages and the plans name it."""

from __future__ import annotations

from unioneyes.cli.started import commands


def test_what_only_plans_a_runbook_is_not_what_starts_it() -> None:
    assert commands()["database.migrate"] == "ue db migrate apply VERSION", "`ue db migrate plan` stands before it"


def test_what_a_command_starts_with_a_flag_alone_is_named_with_the_flag() -> None:
    assert commands()["database.end_idle"] == "ue db connections --kill-idle"


def test_of_several_commands_the_first_of_the_table_is_named() -> None:
    assert commands()["rollback.migration"] == "ue rollback migration", "`ue db migrate rollback` does the same"
