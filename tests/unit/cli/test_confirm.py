"""Who is asked before what."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.samples import PRODUCTION
from unioneyes.cli.confirm import confirm_irreversible, confirm_reversible
from unioneyes.kernel.problems import ExitCode
from unioneyes.ports.environment import Facts
from unioneyes.runbook.problems import NotConfirmed
from unioneyes.runbook.views import PlanView

PLAN = PlanView(runbook="rollback.restore", summary="restore backup_1", hash="0123", steps=(), readings=(), confirm="unioneyes")


def facts(*, production: bool) -> Facts:
    return PRODUCTION if production else replace(PRODUCTION, name="local", production=False)


def test_nothing_is_asked_where_no_member_s_data_is() -> None:
    confirm_reversible(facts(production=False), "deploy 1.1.0", yes=False)


def test_production_takes_a_yes() -> None:
    confirm_reversible(facts(production=True), "deploy 1.1.0", yes=True)


def test_without_a_terminal_and_without_a_yes_production_refuses() -> None:
    with pytest.raises(NotConfirmed, match="--yes") as raised:
        confirm_reversible(facts(production=True), "deploy 1.1.0", yes=False)
    assert raised.value.exit_code is ExitCode.REFUSED


@pytest.mark.parametrize("production", [False, True])
def test_what_can_not_be_brought_back_takes_its_name_also_where_no_member_s_data_is(*, production: bool) -> None:
    assert confirm_irreversible(facts(production=production), PLAN, "unioneyes", typed="unioneyes") == "unioneyes"


@pytest.mark.parametrize(("typed", "says"), [("claims", "'claims' is not 'unioneyes'"), ("yes", "'yes' is not"), (None, "nobody is here to ask")])
def test_another_name_or_none_is_refused_and_nothing_is_changed(typed: str | None, says: str) -> None:
    with pytest.raises(NotConfirmed, match=says) as raised:
        confirm_irreversible(facts(production=False), PLAN, "unioneyes", typed=typed)
    assert raised.value.exit_code is ExitCode.REFUSED
    assert "--confirm unioneyes" in raised.value.remedy
