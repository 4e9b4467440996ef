"""Who is asked before what."""

from __future__ import annotations

from datetime import timedelta

import pytest

from unioneyes.cli.confirm import NotConfirmed, confirm_reversible
from unioneyes.kernel.problems import ExitCode
from unioneyes.ports.environment import Facts


def facts(*, production: bool) -> Facts:
    return Facts(
        name="production" if production else "local",
        production=production,
        service="unioneyes-web",
        replicas=2,
        ready_within=timedelta(seconds=60),
        incidents_channel="#incidents",
        bake=timedelta(minutes=10),
    )


def test_nothing_is_asked_where_no_member_s_data_is() -> None:
    confirm_reversible(facts(production=False), "deploy 1.1.0", yes=False)


def test_production_takes_a_yes() -> None:
    confirm_reversible(facts(production=True), "deploy 1.1.0", yes=True)


def test_without_a_terminal_and_without_a_yes_production_refuses() -> None:
    with pytest.raises(NotConfirmed, match="--yes") as raised:
        confirm_reversible(facts(production=True), "deploy 1.1.0", yes=False)
    assert raised.value.exit_code is ExitCode.REFUSED
