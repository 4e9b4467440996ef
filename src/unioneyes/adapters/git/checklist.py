"""The checklist's facts that the environment alone knows. Implements `ports.checklist.Checklist`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import httpx
from pydantic import BaseModel, ValidationError

from unioneyes.adapters.git.junit import COMMIT, JUnitReport, ReportUnreadable, read_report
from unioneyes.adapters.git.work_tree import GitUnavailable, WorkTree, read_work_tree
from unioneyes.kernel.calendar import Window, current
from unioneyes.kernel.clock import now, rfc3339
from unioneyes.kernel.problems import Problem
from unioneyes.ports.checklist import CHANGE_FREEZE, CURRENT_VERSION, RELEASE_CONTRACT, STAGING_HEALTH, TITLES, ApprovalRule, Gate, GateState
from unioneyes.ports.service import HealthStatus

STAGING_TIME_LIMIT = timedelta(seconds=10)
SHORT = 12
"""Digits of a commit, as people see it."""


class _Health(BaseModel):
    """The part of a health report that the gate reads."""

    status: HealthStatus
    version: str = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseChecklist:
    """Asks git, staging and the policy."""

    folder: Path
    """The source's work tree."""
    staging_url: str | None
    """`https://staging.example.org`; None when the environment names no staging."""
    report: Path | None = None
    """Continuous integration's, of the release contract; None when the environment names none."""
    waivers: Mapping[str, str]
    """Reason for each waived gate, by the gate's name."""
    calendar: Callable[[], tuple[Window, ...]] = tuple
    """Returns the calendar's rules as they are now. Raises: a Problem where it can't be read."""
    rules: Callable[[str], tuple[ApprovalRule, ...]] = lambda _runbook: ()
    """Returns whose yes a runbook needs, as the policy says now. Raises: a Problem where it can't be read."""
    health_path: str = "/api/health"

    def release_contract(self) -> Gate:
        """Continuous integration's report on the very commit that goes out; unavailable without one, or where the work tree is no longer that commit."""
        if self.report is None:
            remedy = "name it in environment.toml: [release_contract] report, or waive `release-contract` by the policy"
            return _gate(RELEASE_CONTRACT, GateState.UNAVAILABLE, "this environment names no report of continuous integration", remedy)
        try:
            tree = read_work_tree(self.folder)
            report = read_report(self.report)
        except (GitUnavailable, ReportUnreadable) as problem:
            return _gate(RELEASE_CONTRACT, GateState.UNAVAILABLE, problem.what, problem.remedy)
        if tree is None:
            remedy = "name the source's work tree in environment.toml: [source] folder"
            return _gate(RELEASE_CONTRACT, GateState.UNAVAILABLE, f"{self.folder} is no work tree of git, so no report is of its commit", remedy)
        if tree.changed:
            return _gate(RELEASE_CONTRACT, GateState.UNAVAILABLE, f"no report is of what goes out: {_differ(tree)}", "commit or stash the changes: git status")
        return _contract(self.report, report, tree.commit)

    def current_version(self) -> Gate:
        """`git describe --tags` where there is git; not applicable where there is none; failed when the work tree is dirty."""
        try:
            tree = read_work_tree(self.folder)
        except GitUnavailable as problem:
            return _gate(CURRENT_VERSION, GateState.UNAVAILABLE, problem.what, problem.remedy)
        if tree is None:
            return _gate(CURRENT_VERSION, GateState.NOT_APPLICABLE, f"{self.folder} is no work tree of git")
        if tree.changed:
            return _gate(CURRENT_VERSION, GateState.FAILED, f"{tree.version}, but {_differ(tree)}", "commit or stash the changes: git status")
        return _gate(CURRENT_VERSION, GateState.PASSED, tree.version)

    def staging_health(self) -> Gate:
        """Staging's health report; degraded passes and says so. Unavailable where the environment names no staging: that is not a pass."""
        if self.staging_url is None:
            return _gate(
                STAGING_HEALTH,
                GateState.UNAVAILABLE,
                "this environment names no staging",
                "name it in environment.toml: [staging] url, or waive `staging-health` by the policy",
            )
        url = f"{self.staging_url.rstrip('/')}{self.health_path}"
        try:
            answer = httpx.get(url, timeout=STAGING_TIME_LIMIT.total_seconds())
        except httpx.HTTPError as error:
            return _gate(STAGING_HEALTH, GateState.UNAVAILABLE, f"{url} gives no answer: {type(error).__name__}", f"look at staging: curl {url}")
        try:
            health = _Health.model_validate(answer.json())
        except (json.JSONDecodeError, ValidationError):
            return _gate(STAGING_HEALTH, GateState.UNAVAILABLE, f"{url} answers {answer.status_code} without a health report", f"look at staging: curl {url}")
        detail = f"staging is {health.status} on {health.version}"
        if health.status is HealthStatus.UNHEALTHY or not answer.is_success:
            return _gate(STAGING_HEALTH, GateState.FAILED, detail, f"repair staging first: curl {url}")
        return _gate(STAGING_HEALTH, GateState.PASSED, detail)

    def change_freeze(self) -> Gate:
        """Whether the calendar lets anything be deployed now."""
        try:
            freeze = current(self.calendar(), now())
        except Problem as problem:
            return _gate(CHANGE_FREEZE, GateState.UNAVAILABLE, problem.what, problem.remedy)
        if freeze is not None:
            detail = f"{freeze.name}, until {rfc3339(freeze.ends)}: {freeze.reason}"
            return _gate(CHANGE_FREEZE, GateState.FAILED, detail, "wait until then; ue freeze list shows the calendar")
        return _gate(CHANGE_FREEZE, GateState.PASSED, "the calendar holds nothing now")

    def freezes(self) -> tuple[Window, ...]:
        """Return the calendar's rules as they are now. Raises: a Problem where it can't be read."""
        return self.calendar()

    def approvals(self, runbook: str) -> tuple[ApprovalRule, ...]:
        """Return whose yes a run of `runbook` needs here, without what the policy waives. Raises: a Problem where it can't be read."""
        return tuple(rule for rule in self.rules(runbook) if self.waived(rule.gate) is None)

    def waived(self, gate: str) -> str | None:
        """Return the policy's reason for waiving `gate`; None when it is not waived."""
        return self.waivers.get(gate)


def _contract(path: Path, report: JUnitReport, commit: str) -> Gate:
    return replace(_verdict(path, report, commit), read=("continuous integration's report", report.sha256))


def _verdict(path: Path, report: JUnitReport, commit: str) -> Gate:
    short = commit[:SHORT]
    if report.commits != {commit}:
        named = " and ".join(sorted(other[:SHORT] if other else "no commit" for other in report.commits))
        what, remedy = f"{path} names {named}, and {short} goes out", f"wait for the report on {short}; each of its suites has a property called {COMMIT}"
        return _gate(RELEASE_CONTRACT, GateState.UNAVAILABLE, what, remedy)
    if report.failed:
        first = f"; the first: {report.first}" if report.first else ""
        what, remedy = f"{_tests(report.failed)} went wrong on {short}{first}", "mend it, and let continuous integration report on the new commit"
        return _gate(RELEASE_CONTRACT, GateState.FAILED, what, remedy)
    if not report.ran:
        return _gate(RELEASE_CONTRACT, GateState.UNAVAILABLE, f"no test of {path} ran on {short}", "let continuous integration run them")
    skipped = f", {report.skipped} skipped" if report.skipped else ""
    return _gate(RELEASE_CONTRACT, GateState.PASSED, f"{_tests(report.ran)} passed on {short}{skipped}")


def _tests(count: int) -> str:
    return "1 test" if count == 1 else f"{count} tests"


def _differ(tree: WorkTree) -> str:
    files = "1 tracked file differs" if tree.changed == 1 else f"{tree.changed} tracked files differ"
    return f"{files} from the commit"


def _gate(name: str, state: GateState, detail: str, remedy: str = "") -> Gate:
    return Gate(name=name, title=TITLES[name], state=state, detail=detail, remedy=remedy)
