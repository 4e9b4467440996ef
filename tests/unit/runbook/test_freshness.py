"""A runbook knows whether it is what was drilled, and an environment may refuse what is not."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from unioneyes.environments.chapters import CHAPTERS, drilled
from unioneyes.kernel.problems import ExitCode
from unioneyes.runbook import freshness
from unioneyes.runbook.definition import definition, definitions
from unioneyes.runbook.freshness import Drilled, Drills, DrillsUnreadable, Undrilled, codes, read_drills, written

assert CHAPTERS
ROLLBACKS = {"rollback.migration", "rollback.release", "rollback.restore", "rollback.rolling", "rollback.traffic"}
DEPLOYMENTS = {"deployment.start", "deployment.verify"}
DOCUMENTS = {"document.read", "document.run"}
APP = {"app.restart", "app.scale"}
EDGE = {"edge.deny", "edge.limit"}
DATABASE = {"database.end_idle", "database.end_session", "database.migrate"}
BACKUPS = {"backup.create", "backup.prune", "backup.restore", "backup.verify"}
RECOVERY = {"backup.base", "backup.pitr"}
BUILT_IN = ROLLBACKS | DEPLOYMENTS | DOCUMENTS | APP | EDGE | DATABASE | BACKUPS | RECOVERY


def as_drilled(code: Mapping[str, str]) -> dict[str, Drilled]:
    return {name: Drilled(on=date(2026, 2, 9), commit="bcf0aee8", code=each, drills=("main_job/test_canary",)) for name, each in code.items()}


@pytest.fixture
def changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], set[str]]:
    """Tells which runbooks have changed when a file of a copy of the program has."""
    copy = tmp_path / "unioneyes"
    shutil.copytree(freshness.PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))

    def change(file: str) -> set[str]:
        monkeypatch.setattr(freshness, "PACKAGE", copy)
        before = codes()
        with (copy / file).open("a") as text:
            text.write("\n# changed\n")
        after = codes()
        return {name for name in before if before[name] != after[name]}

    return change


@pytest.mark.parametrize(
    ("file", "changes"),
    [
        ("operations/rollback/restore_steps.py", {"rollback.restore"}),
        ("operations/rollback/runbook.py", {"rollback.traffic", "rollback.release", "rollback.rolling", *DEPLOYMENTS}),
        ("operations/deployment/verdict.py", DEPLOYMENTS),
        ("operations/deployment/__init__.py", DEPLOYMENTS),
        ("operations/deployment/page.py", set()),
        ("operations/app/steps.py", APP),
        ("operations/app/status.py", set()),
        ("operations/security/rules.py", EDGE),
        ("operations/database/backups/retention.py", BACKUPS),
        ("operations/database/recovery/steps.py", RECOVERY),
        ("runbook/documents/effects.py", DOCUMENTS),
        ("runbook/execution.py", BUILT_IN),
        ("runbook/store/lock.py", BUILT_IN),
        ("kernel/clock.py", BUILT_IN),
        ("ports/traffic.py", BUILT_IN),
        ("adapters/envoy/traffic.py", set()),
        ("console/api.py", set()),
        ("runbook/pages/card.py", set()),
    ],
)
def test_a_runbook_has_changed_when_what_it_reaches_has(changed: Callable[[str], set[str]], file: str, changes: set[str]) -> None:
    assert changed(file) == changes


def test_every_runbook_that_comes_with_the_program_has_a_code() -> None:
    assert codes().keys() == BUILT_IN


def test_what_was_drilled_says_so_until_its_code_changes() -> None:
    record = as_drilled(codes())
    drills = Drills(lambda: record)
    last = drills.last("rollback.restore")
    assert last is not None
    assert (last.on, last.unchanged) == (date(2026, 2, 9), True)
    record["rollback.restore"] = replace(record["rollback.restore"], code="0" * 64)
    last = drills.last("rollback.restore")
    assert last is not None
    assert not last.unchanged
    del record["rollback.restore"]
    assert drills.last("rollback.restore") is None
    assert drills.last("somebody.own") is None


@pytest.mark.parametrize(
    ("record", "says"),
    [
        ({}, "was never drilled"),
        (as_drilled(dict.fromkeys(BUILT_IN, "0" * 64)), "changed since its last passing drill, of 2026-02-09"),
    ],
    ids=["never", "changed"],
)
def test_what_is_not_what_was_drilled_is_refused_unless_it_takes_members_back_or_holds_nobody_up(record: dict[str, Drilled], says: str) -> None:
    drills = Drills(lambda: record)
    refused: dict[str, Undrilled] = {}
    for name in sorted(BUILT_IN):
        try:
            drills.require(definition(name))
        except Undrilled as problem:
            refused[name] = problem
    assert refused.keys() == {"database.migrate", "deployment.start", "document.run"}
    assert refused["deployment.start"].what.startswith(f"deployment.start {says}")
    assert "make drills" in refused["deployment.start"].remedy
    assert refused["deployment.start"].exit_code == ExitCode.REFUSED


def test_what_is_what_was_drilled_is_not_refused() -> None:
    record = as_drilled(codes())
    drills = Drills(lambda: record)
    for name in BUILT_IN:
        drills.require(definition(name))


def test_somebody_s_own_runbook_is_not_refused() -> None:
    own = replace(definition("deployment.start"), name="own.run", module="runbooks.own")
    Drills(dict).require(own)
    assert "own.run" not in {known.name for known in definitions()}


def test_the_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    record = as_drilled(codes())
    (file := tmp_path / "drills.json").write_text(written(record))
    assert read_drills(file) == record
    assert read_drills(tmp_path / "none.json") == {}


@pytest.mark.parametrize("text", ["", "[]", '{"rollback.traffic": {}}', written(as_drilled({"x": "y"})).replace("2026-02-09", "some day")])
def test_a_record_that_tells_nothing_is_refused(tmp_path: Path, text: str) -> None:
    (file := tmp_path / "drills.json").write_text(text)
    with pytest.raises(DrillsUnreadable, match="does not tell what was drilled"):
        read_drills(file)


def test_the_record_of_the_program_names_runbooks_that_there_are() -> None:
    assert drilled().keys() <= BUILT_IN
