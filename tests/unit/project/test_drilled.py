"""The record of what was drilled follows from the report of the drills, and from nothing else."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from importlib import import_module
from pathlib import Path

import pytest

from unioneyes.runbook.freshness import Drilled

TOLD = '<properties><property name="{how}" value="{runbook} {code}"/></properties>'
CASE = f'<testcase classname="tests.drills.{{file}}" name="test_it" time="1">{TOLD}{{end}}</testcase>'
FAILED = '<failure message="no"/>'
ON = date(2026, 2, 9)
Merge = Callable[..., dict[str, Drilled]]


@pytest.fixture
def merge(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Merge:
    """Return what is drilled after a report of these drills: (file, carried-out or begun, runbook, code, how it ended)."""
    monkeypatch.syspath_prepend(str(root / "bench"))
    program = import_module("drilled")

    def merged(before: dict[str, Drilled], *cases: tuple[str, str, str, str, str]) -> dict[str, Drilled]:
        told = "".join(CASE.format(file=file, how=how, runbook=runbook, code=code, end=end) for file, how, runbook, code, end in cases)
        (report := tmp_path / "report.xml").write_text(f"<testsuites><testsuite>{told}</testsuite></testsuites>")
        drilled: dict[str, Drilled] = program.merged(before, tuple(program.seen(report)), on=ON, commit="new")
        return drilled

    return merged


def known(code: str, *drills: str) -> dict[str, Drilled]:
    return {"rollback.traffic": Drilled(on=date(2026, 1, 1), commit="old", code=code, drills=drills)}


def test_a_drill_that_passes_is_recorded_with_the_code_that_passed_it(merge: Merge) -> None:
    drilled = merge(
        {},
        ("rollback.test_b", "carried-out", "rollback.traffic", "c1", ""),
        ("rollback.test_a", "carried-out", "rollback.traffic", "c1", ""),
        ("rollback.test_a", "carried-out", "rollback.release", "c2", ""),
    )
    assert drilled == {
        "rollback.traffic": Drilled(on=ON, commit="new", code="c1", drills=("rollback/test_a::test_it", "rollback/test_b::test_it")),
        "rollback.release": Drilled(on=ON, commit="new", code="c2", drills=("rollback/test_a::test_it",)),
    }


@pytest.mark.parametrize("how", ["begun", "carried-out"])
def test_a_drill_that_fails_records_nothing_and_takes_back_what_the_same_code_had_passed(merge: Merge, how: str) -> None:
    cases = (("rollback.test_a", "carried-out", "rollback.traffic", "c1", ""), ("rollback.test_b", how, "rollback.traffic", "c1", FAILED))
    assert merge({}, *cases) == {}
    assert merge(known("c1", "rollback/test_a::test_it"), *cases) == {}
    assert merge(known("c0", "rollback/test_a::test_it"), *cases) == known("c0", "rollback/test_a::test_it")


@pytest.mark.parametrize(("how", "end"), [("begun", ""), ("carried-out", "<skipped/>")])
def test_what_was_only_begun_or_not_run_counts_for_nothing(merge: Merge, how: str, end: str) -> None:
    assert merge({}, ("rollback.test_a", how, "rollback.traffic", "c1", end)) == {}


def test_the_same_drills_of_the_same_code_change_nothing_and_more_of_them_are_added(merge: Merge) -> None:
    before = known("c1", "rollback/test_a::test_it")
    assert merge(before, ("rollback.test_a", "carried-out", "rollback.traffic", "c1", "")) == before
    more = merge(before, ("rollback.test_b", "carried-out", "rollback.traffic", "c1", ""))
    assert more["rollback.traffic"].drills == ("rollback/test_a::test_it", "rollback/test_b::test_it")


def test_drills_of_other_code_take_the_place_of_those_before(merge: Merge) -> None:
    drilled = merge(known("c1", "rollback/test_a::test_it"), ("rollback.test_b", "carried-out", "rollback.traffic", "c2", ""))
    assert drilled == {"rollback.traffic": Drilled(on=ON, commit="new", code="c2", drills=("rollback/test_b::test_it",))}
