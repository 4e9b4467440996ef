"""The pre-deployment checklist, as gates. A gate that can't be evaluated blocks; only the policy waives one, by name."""

from __future__ import annotations

from dataclasses import replace

from unioneyes.kernel.problems import Refused
from unioneyes.ports.checklist import ApprovalRule, Checklist, Gate, GateState
from unioneyes.ports.database import LintFinding, Loss, Migration


class ChecklistBlocks(Refused):
    """A line of the pre-deployment checklist blocks the deployment."""


_SIGN_OFFS = (("security-sign-off", "Security team sign-off"), ("product-approval", "Product owner approval"))
"""(name, title). Source: Pre-Deployment Checklist, "Required Approvals"."""


def sign_offs(rules: tuple[ApprovalRule, ...]) -> tuple[Gate, ...]:
    """Return what people must say before a release goes out: each is asked by the policy's rule for it, and blocks where there is none."""
    asked = {rule.gate: rule for rule in rules}
    return tuple(_sign_off(name, title, asked.get(name)) for name, title in _SIGN_OFFS)


def _sign_off(name: str, title: str, rule: ApprovalRule | None) -> Gate:
    if rule is None:
        remedy = f"say in policy/approvals.yaml who gives `{name}`, or waive it in policy/waivers.yaml, with a reason"
        return Gate(name=name, title=title, state=GateState.UNAVAILABLE, detail="nobody is asked for it in this environment", remedy=remedy)
    return Gate(name=name, title=title, state=GateState.AWAITED, detail=f"{rule.needed} of {' or '.join(rule.roles)}, before the run begins")


def migration_reviewed(pending: tuple[Migration, ...], findings: tuple[LintFinding, ...]) -> Gate:
    """Return the gate "Database migration reviewed": the lint finds nothing that blocks, and each migration has a way back."""
    title = "Database migration reviewed"
    name = "migration-reviewed"
    if not pending:
        return Gate(name=name, title=title, state=GateState.NOT_APPLICABLE, detail="the release brings no migration")
    blocking = [finding for finding in findings if finding.blocks]
    if blocking:
        first = blocking[0]
        more = f", and {len(blocking) - 1} more" if len(blocking) > 1 else ""
        return Gate(
            name=name,
            title=title,
            state=GateState.FAILED,
            detail=f"{first.tag}.sql:{first.line}: {first.message} ({first.rule}){more}",
            remedy="mend the migration, and release it under a new version",
        )
    without = [migration.tag for migration in pending if migration.rollback_sql is None]
    if without:
        return Gate(
            name=name, title=title, state=GateState.FAILED, detail=f"{without[0]} has no rollback file", remedy=f"write {without[0]}_rollback.sql beside it"
        )
    warnings = f", {len(findings)} warnings" if findings else ""
    return Gate(name=name, title=title, state=GateState.PASSED, detail=f"{len(pending)} linted, each with its rollback{warnings}")


def rollback_plan(*, previous: str | None, previous_ready: int, pending: tuple[Migration, ...], losses: tuple[Loss, ...] = ()) -> Gate:
    """Return the gate "Rollback plan documented": computed from what stands there, never merely asserted, with what taking the migrations back would lose."""
    name, title = "rollback-plan", "Rollback plan documented"
    lost = "".join(f"; {loss}" for loss in losses)
    if previous is None:
        return Gate(name=name, title=title, state=GateState.PASSED, detail="first deployment: the way back is to serve nothing, as now")
    if not previous_ready:
        return Gate(
            name=name,
            title=title,
            state=GateState.FAILED,
            detail=f"{previous} serves, but has no ready replica to go back to",
            remedy="ue env status; mend the serving colour first",
        )
    schema = f"; {previous} is smoke-tested on the new schema before traffic moves" if pending else ""
    return Gate(name=name, title=title, state=GateState.PASSED, detail=f"back to {previous}, which stays warm with {previous_ready} replicas{schema}{lost}")


def waive(gates: tuple[Gate, ...], checklist: Checklist) -> tuple[Gate, ...]:
    """Return the gates, with those that block and that the policy names turned into waived ones, for which no file counts."""

    def look(gate: Gate) -> Gate:
        reason = checklist.waived(gate.name) if gate.state.blocks else None
        return replace(gate, state=GateState.WAIVED, detail=f"{gate.detail}; waived: {reason}", read=None) if reason else gate

    return tuple(look(gate) for gate in gates)


def refuse_if_blocked(gates: tuple[Gate, ...]) -> None:
    """Nothing happens when every gate is open. Raises: ChecklistBlocks, which names each that is not."""
    blocking = [gate for gate in gates if gate.state.blocks]
    if blocking:
        raise ChecklistBlocks(
            what="the pre-deployment checklist blocks: " + "; ".join(f"{gate.title} is {gate.state.value}: {gate.detail}" for gate in blocking),
            remedy="; ".join(dict.fromkeys(gate.remedy for gate in blocking if gate.remedy)) or "ue deploy start VERSION --dry-run shows the whole checklist",
        )
