"""A kept plan as people and programs are shown it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from threading import Lock

from pydantic import JsonValue

from unioneyes.kernel.redaction import Redactor
from unioneyes.ports.checklist import ApprovalRule
from unioneyes.runbook.codec import decode, redacted
from unioneyes.runbook.plan import PlannedStep, Reading
from unioneyes.runbook.store.runs import StoredRun
from unioneyes.runbook.views import PlanView

_KEPT = 64
"""Plans that are kept as they are shown, at some tens of KiB each: those of the lists that people look at."""


class ShownPlans:
    """The plans of runs as they are shown: each is searched for secrets once, for a run's plan never changes. For any thread."""

    def __init__(self, redact: Redactor) -> None:
        """Blot secrets out by `redact`."""
        self._redact = redact
        self._plans: OrderedDict[str, PlanView] = OrderedDict()
        self._guard = Lock()

    def of(self, run: StoredRun, *, took: Mapping[str, timedelta]) -> PlanView:
        """Return the plan that the run carries out, and what its steps took before."""
        view = run.view
        with self._guard:
            plan = self._plans.pop(view.id, None)
        if plan is None:
            plan = shown_plan(view.runbook, run.plan, view.plan_hash, redact=self._redact, took={})
        with self._guard:
            self._plans[view.id] = plan
            while len(self._plans) > _KEPT:
                self._plans.popitem(last=False)
        return replace(plan, took=took)


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
