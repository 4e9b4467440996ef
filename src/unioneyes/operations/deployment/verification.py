"""The lines of the post-deployment verification. Source: "Post-Deployment Verification (Critical)"."""

from __future__ import annotations

from unioneyes.kernel.problems import Problem, Unavailable
from unioneyes.operations.deployment.comparison import FEWEST_FAILURES
from unioneyes.operations.deployment.model import Figures
from unioneyes.operations.deployment.verdict import ERROR_RATE_LIMIT, HEALTH_EVERY, UNHEALTHY_IN_A_ROW, Tally
from unioneyes.ports.checklist import Gate, GateState
from unioneyes.ports.database import Migrations
from unioneyes.ports.replicas import LogLine
from unioneyes.ports.service import HealthStatus, Service, SmokeReport
from unioneyes.runbook.steps import pause


def health_check(service: Service) -> Gate:
    """Return whether the service, as members reach it, reports itself healthy: as often as the watch asks before it believes a bad report."""
    for _ in range(UNHEALTHY_IN_A_ROW - 1):
        found = _health_report(service)
        if found.state is GateState.PASSED:
            return found
        pause(HEALTH_EVERY)
    return _health_report(service)


def _health_report(service: Service) -> Gate:
    name, title = "health", "Health check"
    try:
        health = service.health()
    except Unavailable as problem:
        return Gate(name=name, title=title, state=GateState.FAILED, detail=problem.what, remedy=problem.remedy)
    bad = ", ".join(f"{check.name}: {check.error or check.status}" for check in health.checks if check.status is not HealthStatus.HEALTHY)
    passed = health.status is not HealthStatus.UNHEALTHY
    return Gate(name=name, title=title, state=GateState.PASSED if passed else GateState.FAILED, detail=f"{health.status.value}{f' ({bad})' if bad else ''}")


def smoke_check(report: SmokeReport) -> Gate:
    """Return whether the critical user flows work end to end."""
    failures = "; ".join(f"{check.name}: {check.detail}" for check in report.failures)
    return Gate(
        name="user-flows",
        title="Critical user flows",
        state=GateState.PASSED if report.passed else GateState.FAILED,
        detail=f"{len(report.checks)} flows passed" if report.passed else failures or "no flow ran",
    )


def version_check(report: SmokeReport, *, wanted: str) -> Gate:
    """Return whether members reach the version that was planned."""
    return Gate(
        name="version",
        title="Release contract: version",
        state=GateState.PASSED if report.version == wanted else GateState.FAILED,
        detail=f"members reach {report.version}" if report.version == wanted else f"members reach {report.version}, not {wanted}",
    )


def schema_check(migrations: Migrations, *, version: str) -> Gate:
    """Return whether the ledger holds every migration that the version needs."""
    name, title = "schema", "Release contract: schema"
    try:
        pending = migrations.pending(version)
    except Problem as problem:
        return Gate(name=name, title=title, state=GateState.FAILED, detail=problem.what, remedy=problem.remedy)
    if pending:
        return Gate(name=name, title=title, state=GateState.FAILED, detail=f"not applied: {', '.join(migration.tag for migration in pending)}")
    newest = next(iter(migrations.ledger(last=1)), None)
    return Gate(name=name, title=title, state=GateState.PASSED, detail=f"at {newest.tag or newest.sha256[:12]}" if newest else "no migration needed")


def log_check(errors: tuple[LogLine, ...], *, answers: int, old: Figures | None = None, old_errors: int = 0) -> Gate:
    """Return whether the new version logs errors for more than the allowed share of its answers, and the `old` one beside it does not suffer.

    Source: "Check error rates", `grep ERROR`.
    """
    outside = old is not None and Tally(answers=old.answers, errors=old_errors, slow=old.slow, hampered=old.hampered).suffers
    bad = len(errors) >= FEWEST_FAILURES and len(errors) > ERROR_RATE_LIMIT * answers and not outside
    last = f"; the last: {errors[-1].message[:120]}" if errors else ""
    return Gate(
        name="log-errors",
        title="Error rate in the logs",
        state=GateState.FAILED if bad else GateState.PASSED,
        detail=f"{len(errors)} ERROR lines for {answers} answers{last}",
    )
