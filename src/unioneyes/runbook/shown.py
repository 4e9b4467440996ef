"""A kept plan as people and programs are shown it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from pydantic import JsonValue

from unioneyes.kernel.redaction import Redactor
from unioneyes.ports.checklist import ApprovalRule
from unioneyes.runbook.codec import decode, redacted
from unioneyes.runbook.plan import PlannedStep, Reading
from unioneyes.runbook.views import PlanView


def shown_plan(runbook: str, plan: JsonValue, plan_hash: str, *, redact: Redactor, took: Mapping[str, timedelta]) -> PlanView:
    """Return the plan without secrets, and with what its steps took before."""
    shown = redacted(plan, redact)
    details = shown if isinstance(shown, dict) else {}
    confirm = details.pop("confirm", None)
    approvals = decode(details.pop("approvals", []), tuple[ApprovalRule, ...])
    return PlanView(
        runbook=runbook,
        summary=str(details.pop("summary")),
        hash=plan_hash,
        steps=decode(details.pop("steps"), tuple[PlannedStep, ...]),
        readings=decode(details.pop("readings"), tuple[Reading, ...]),
        confirm=confirm if isinstance(confirm, str) else None,
        approvals=approvals,
        content=decode(details.pop("content", {}), dict[str, str]),
        details=details,
        took=took,
    )
