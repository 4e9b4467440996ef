"""Which way back comes first, and which one a reason asks for."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unioneyes.operations.rollback.model import RollbackOption
from unioneyes.operations.rollback.reasons import Trigger
from unioneyes.operations.rollback.rules import propose, ranked

TRAFFIC, RELEASE, MIGRATION, RESTORE = "rollback.traffic", "rollback.release", "rollback.migration", "rollback.restore"
ALL = (TRAFFIC, RELEASE, MIGRATION, RESTORE)


def option(runbook: str, *, possible: bool = True, takes: float | None = 1, lost: str = "none") -> RollbackOption:
    return RollbackOption(
        option="A",
        runbook=runbook,
        title=runbook,
        possible=possible,
        why="because",
        takes=None if takes is None else timedelta(seconds=takes),
        data_lost=lost,
        command=f"ue {runbook}",
    )


def proposed(options: tuple[RollbackOption, ...]) -> dict[str, str]:
    return {one.runbook: one.proposed for one in options if one.proposed}


def test_open_comes_before_closed_nothing_lost_before_some_and_fast_before_slow() -> None:
    best_first = (
        option(TRAFFIC, takes=0.1),
        option(RELEASE, takes=6),
        option(RELEASE, takes=None),
        option(RESTORE, takes=0.01, lost="claims: 12 rows"),
        option(MIGRATION, possible=False, takes=0.001),
    )
    assert ranked(best_first[::-1]) == best_first


@given(st.permutations([option(TRAFFIC), option(RELEASE, takes=6), option(MIGRATION, lost="some"), option(RESTORE, possible=False)]))
def test_the_rank_does_not_depend_on_the_order(options: list[RollbackOption]) -> None:
    assert [one.runbook for one in ranked(tuple(options))] == [TRAFFIC, RELEASE, MIGRATION, RESTORE]


@pytest.mark.parametrize(
    ("trigger", "migrated", "wanted"),
    [
        (Trigger.DATA_CORRUPTION, True, RESTORE),
        (Trigger.DATA_CORRUPTION, False, RESTORE),
        (Trigger.DATA_INTEGRITY, True, MIGRATION),
        (Trigger.DATA_INTEGRITY, False, RESTORE),
        (Trigger.VULNERABILITY, True, TRAFFIC),
        (Trigger.FEATURE_BROKEN, False, TRAFFIC),
    ],
)
def test_each_trigger_proposes_its_option_and_says_why(trigger: Trigger, wanted: str, *, migrated: bool) -> None:
    found = proposed(propose(tuple(option(runbook) for runbook in ALL), trigger, migrated=migrated))
    assert list(found) == [wanted]
    assert found[wanted].startswith(trigger.spelled)


def test_a_release_that_is_not_warm_is_started_again() -> None:
    options = (option(TRAFFIC, possible=False), option(RELEASE), option(MIGRATION), option(RESTORE))
    assert list(proposed(propose(options, Trigger.VULNERABILITY, migrated=False))) == [RELEASE]


def test_while_what_mends_is_closed_what_opens_it_is_proposed_first() -> None:
    options = (option(RELEASE), option(TRAFFIC, possible=False), option(MIGRATION, possible=False), option(RESTORE))
    found = proposed(propose(options, Trigger.DATA_INTEGRITY, migrated=True))
    assert list(found) == [RELEASE]
    assert "that is closed (because), and this opens it" in found[RELEASE]


def test_where_nothing_is_open_nothing_is_proposed() -> None:
    options = tuple(option(runbook, possible=False) for runbook in ALL)
    assert proposed(propose(options, Trigger.DATA_CORRUPTION, migrated=False)) == {}
