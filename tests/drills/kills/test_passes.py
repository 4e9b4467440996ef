"""Every runbook that is shipped is killed at every step that it can take and at every undo, as the records say to which the twins are held."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.drills.kills.boundaries import Boundary
from tests.drills.kills.passes import RECORDS, passed
from tests.drills.kills.scenario import Scenario
from tests.drills.kills.scenarios import SCENARIOS
from tests.drills.kills.undone import UNDONE
from unioneyes.environments.chapters import CHAPTERS
from unioneyes.runbook.definition import Definition, definitions
from unioneyes.runbook.pages.reading import named_steps
from unioneyes.runbook.views import EntryKind

BUILT_IN = tuple(known for known in definitions() if known.built_in)
_ALONE = "nothing comes behind the one step, which fails with Envoy alone and has put everything back by then (tests/contract/edge): nothing is left to undo"
_PROVEN = "what comes behind only ends the scratch server, which does not fail where it could be started"
_LAST = "nothing comes behind it, and what it made half is dropped by itself where it fails (tests/contract/restores)"
_BROUGHT = "it leaves nothing where it fails (tests/contract/recovery), and what comes behind it only ends the scratch server"
_UNDOES = (EntryKind.UNDO_STARTED, EntryKind.UNDO_DONE)
OUT_OF_REACH: dict[tuple[str, str], str] = {
    **{(runbook, f"{kind} prove_by_restoring"): _PROVEN for runbook in ("backup.create", "backup.verify") for kind in _UNDOES},
    **{("backup.restore", f"{kind} restore_into"): _LAST for kind in _UNDOES},
    **{("backup.pitr", f"{kind} {step}"): _BROUGHT for step in ("recover_beside", "bring_over") for kind in _UNDOES},
    **{(runbook, f"{kind} {step}"): _ALONE for runbook, step in (("edge.limit", "limit_requests"), ("edge.deny", "keep_out")) for kind in _UNDOES},
}
"""What no scenario passes in reasonable time, and why: (runbook, `undo-done shift_traffic`)."""


def killed(runbook: str, scenarios: tuple[Scenario, ...] = SCENARIOS) -> set[tuple[EntryKind, str]]:
    """Return the boundaries at which the worker is killed in the scenarios of a runbook: what, and of which step."""
    found = (boundary for scenario in scenarios if runbook in scenario.runbooks for boundary in passed(scenario) if scenario.kills_at(boundary))
    return {(EntryKind(boundary.kind), boundary.step) for boundary in found}


def wanted(known: Definition) -> Iterator[tuple[EntryKind, str]]:
    """Yield the boundaries of everything that the runbook can do: of each step, of each undo, and of each runbook that it runs as a part of itself."""
    yield EntryKind.RUN_ENDED, ""
    for named in named_steps(known):
        yield from ((kind, named.name) for kind in (EntryKind.STEP_STARTED, EntryKind.STEP_DONE))
        if not isinstance(named.step, str) and named.step.undo is not None:
            yield from ((kind, named.name) for kind in (EntryKind.UNDO_STARTED, EntryKind.UNDO_DONE))


def missing(known: Definition, scenarios: tuple[Scenario, ...] = SCENARIOS) -> list[str]:
    """Return the boundaries of the runbook at which no scenario is killed."""
    there = killed(known.name, scenarios)
    return [f"{kind} {step}" for kind, step in wanted(known) if (kind, step) not in there]


def test_every_runbook_that_is_shipped_has_its_scenario() -> None:
    assert CHAPTERS
    assert {known.name for known in BUILT_IN} == {name for scenario in SCENARIOS for name in scenario.runbooks if name != "own.mark"}


@pytest.mark.parametrize("known", BUILT_IN, ids=lambda known: known.name)
def test_every_step_and_every_undo_of_it_is_killed(known: Definition) -> None:
    assert [each for each in missing(known) if (known.name, each) not in OUT_OF_REACH] == [], "no scenario is killed there"


def test_what_is_said_to_be_out_of_reach_is_not_reached_by_now() -> None:
    assert OUT_OF_REACH.keys() <= {(known.name, each) for known in BUILT_IN for each in missing(known)}


def test_the_blocks_of_a_document_are_killed_and_what_takes_them_back() -> None:
    """Its blocks are steps that no plan of ours names."""
    found = {kind for kind, step in killed("document.run") if ":" in step}
    assert {EntryKind.STEP_STARTED, EntryKind.STEP_DONE, EntryKind.STEP_FAILED, EntryKind.UNDO_STARTED, EntryKind.UNDO_DONE} <= found


def test_where_nothing_is_undone_the_undos_are_named_and_whatever_else_is_not_passed() -> None:
    others = tuple(scenario for scenario in SCENARIOS if scenario not in UNDONE)
    lost = {known.name: set(missing(known, others)) for known in BUILT_IN}
    assert {"step-started hold", "step-done enter_maintenance", "undo-started apply_migrations", "undo-done shift_traffic"} <= lost["deployment.start"]
    assert "undo-done take_back" in lost["rollback.migration"]
    assert "undo-done swap_databases" in lost["rollback.restore"]
    assert "undo-done start_previous" in lost["rollback.release"]
    assert lost["deployment.verify"] == lost["rollback.traffic"] == set()


def test_every_scenario_has_its_record_and_every_record_its_scenario() -> None:
    assert {record.stem for record in RECORDS.glob("*.txt")} == {scenario.page for scenario in SCENARIOS}
    for scenario in SCENARIOS:
        lines = passed(scenario)
        assert len(lines) == len(set(lines)) > 0
        assert [Boundary.read(str(line)) for line in lines] == list(lines)
