"""The policy: what it waives, what an environment's own file adds and enforces, and when nothing is deployed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

import unioneyes.console.serve  # noqa: F401 - registers every runbook
from unioneyes.environments.policy import PolicyUnreadable, approval_rules, freeze_windows, policy_waivers, read_approvals, read_freezes, waivers
from unioneyes.environments.settings import EnvironmentSettings
from unioneyes.kernel.project import project_path
from unioneyes.ports.checklist import Override
from unioneyes.runbook.definition import definitions


def test_the_policy_waives_for_the_embedded_stack_what_nobody_can_say_there() -> None:
    assert set(policy_waivers("local")) == {
        "release-contract",
        "security-sign-off",
        "product-approval",
        "migration-review",
        "current-version",
        "staging-health",
    }


def test_production_waives_nothing() -> None:
    assert policy_waivers("production") == {}


def test_an_environment_s_own_file_adds_a_waiver_and_its_reason() -> None:
    waived = waivers("local", EnvironmentSettings(waivers={"migration-reviewed": "a rehearsal"}))
    assert waived == policy_waivers("local") | {"migration-reviewed": "a rehearsal"}


def test_an_enforced_gate_is_waived_by_nobody() -> None:
    settings = EnvironmentSettings(waivers={"migration-reviewed": "a rehearsal"}, enforced=["current-version", "migration-reviewed"])
    assert set(waivers("local", settings)) == set(policy_waivers("local")) - {"current-version"}


WEEKEND = """
production:
  - name: weekend
    reason: nobody is at work who could help
    time_zone: America/Toronto
    starts: 2026-01-02T17:00
    lasts: 63h
    repeats: FREQ=WEEKLY
"""


def test_the_embedded_stack_is_never_frozen() -> None:
    assert freeze_windows("local") == ()


def test_a_freeze_is_read_as_the_policy_writes_it(tmp_path: Path) -> None:
    (written := tmp_path / "freezes.yaml").write_text(WEEKEND)
    (weekend,) = read_freezes(written, "production")
    assert weekend.lasts == timedelta(hours=63)
    assert weekend.around(datetime(2026, 2, 8, 12, tzinfo=UTC)) is not None
    assert read_freezes(written, "staging") == ()


@pytest.mark.parametrize(
    ("right", "wrong", "says"),
    [
        ("America/Toronto", "Toronto time", "is no time zone"),
        ("FREQ=WEEKLY", "every friday", "is no recurrence rule"),
        ("FREQ=WEEKLY", "BYDAY=FR", "it must say FREQ"),
        ("FREQ=WEEKLY", "FREQ=MINUTELY", "it must say FREQ"),
        ("FREQ=WEEKLY", "FREQ=DAILY;INTERVAL=0", "INTERVAL must be 1 or more"),
        ("FREQ=WEEKLY", "FREQ=DAILY;BYSECOND=0", "the time of day"),
        ("FREQ=WEEKLY", "FREQ=WEEKLY;BYDAY", "is no recurrence rule"),
        ("63h", "a weekend", "lasts"),
        ("2026-01-02T17:00", "2026-01-02T17:00Z", "starts"),
        ("    reason: nobody is at work who could help\n", "", "reason"),
        ("name: weekend", "name: weekend\n    colour: red", "colour"),
        ("production:", "production: [", "not environment -> freezes"),
    ],
)
def test_a_freeze_that_makes_no_sense_is_refused_with_what_is_wrong(tmp_path: Path, right: str, wrong: str, says: str) -> None:
    (written := tmp_path / "freezes.yaml").write_text(WEEKEND.replace(right, wrong))
    with pytest.raises(PolicyUnreadable, match=says):
        read_freezes(written, "production")


APPROVALS = """
security-sign-off:
  title: Security team sign-off
  runbooks: [deployment.start]
  roles: [security-approver]
  lasts: 24h
  escalates_after: 30m
"""


def test_whose_yes_is_needed_is_read_as_the_policy_writes_it(tmp_path: Path) -> None:
    (written := tmp_path / "approvals.yaml").write_text(APPROVALS)
    (rule,) = read_approvals(written, "deployment.start")
    assert (rule.gate, rule.needed, rule.lasts, rule.begins_within) == ("security-sign-off", 1, timedelta(hours=24), timedelta(minutes=15))
    assert read_approvals(written, "deployment.verify") == ()


@pytest.mark.parametrize(
    ("right", "wrong", "says"),
    [
        ("security-sign-off:", "rollback-plan:", "is computed, and nobody can tick it"),
        ("[security-approver]", "[security-team]", "Input should be"),
        ("[security-approver]", "[]", "at least 1"),
        ("30m", "25h", "must be shorter than lasts"),
        ("lasts: 24h", "lasts: soon", "lasts"),
        ("title:", "titel:", "titel"),
        ("lasts: 24h", "needed: 0", "greater than or equal to 1"),
        ("lasts: 24h", "title: Anybody", "title stands there twice"),
        ("security-sign-off:", "' ':", "a gate has no name"),
        ("  runbooks: [deployment.start]\n", "", "at least one of `runbooks`"),
        (
            "deployment.start]",
            "deploymnet.start]",
            r"security-sign-off is for the runbook deploymnet\.start, and this program .*did you mean deployment\.start\?",
        ),
        ("deployment.start]", "deployment.start, finance.close]", r"finance\.close, and this program has none"),
        ("lasts: 24h", "override: sometimes", "override"),
    ],
)
def test_a_rule_that_cannot_be_followed_is_refused_with_what_is_wrong(tmp_path: Path, right: str, wrong: str, says: str) -> None:
    (written := tmp_path / "approvals.yaml").write_text(APPROVALS.replace(right, wrong))
    with pytest.raises(PolicyUnreadable, match=says):
        read_approvals(written, "deployment.start")


def test_a_name_of_an_own_runbook_that_is_not_there_holds_up_no_runbook_of_the_program(tmp_path: Path) -> None:
    (written := tmp_path / "approvals.yaml").write_text(APPROVALS.replace("  roles:", "  own: [finance.close]\n  override: never\n  roles:"))
    (rule,) = read_approvals(written, "deployment.start")
    assert rule.override is Override.NEVER


def test_the_shipped_policy_asks_for_what_the_document_asks_people_for_and_for_no_way_back() -> None:
    assert [rule.gate for rule in approval_rules("deployment.start")] == ["security-sign-off", "product-approval", "migration-review"]
    named = {name for entry in yaml.safe_load(project_path("policy/approvals.yaml").read_text()).values() for name in entry.get("runbooks", ())}
    known = {each.name for each in definitions() if not each.waits_for_nobody}
    assert named <= known, "a rule for a runbook that is not there, or that waits for nobody, is never asked"
