"""The pages for saying yes or no: what waits for whom, and what exactly somebody signs."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from unioneyes.console.control import Control, Parts
from unioneyes.console.forms import Form
from unioneyes.console.guard import Reader
from unioneyes.console.rendering import Shown, digest, fragment, page, render
from unioneyes.kernel.access import Person
from unioneyes.kernel.problems import BadInput, Problem
from unioneyes.kernel.status import RunStatus
from unioneyes.runbook.approvals import OVERRIDES_NEEDED, overrides, require_answerable
from unioneyes.runbook.reasons import LONGEST_REASON, usable
from unioneyes.runbook.views import Answer, ApprovalView, GateAsked, Verdict

TOLD = "UE-Told"
"""Header of an answer that refuses, and is the fragment all the same: the page shows it in its place."""

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class GateShown:
    """One approval, as whoever looks sees it."""

    asked: GateAsked
    answers: tuple[Answer, ...]
    """What was said so far."""
    why_not: str | None
    """Why whoever looks can't answer; None when they can."""


@router.get("/approvals")
def list_approvals(request: Request, control: Parts, by: Reader) -> Response:
    """Return what waits for others to say yes, oldest first."""
    return page(request, "approvals.html", "approvals", _awaited(control, by))


@router.get("/fragments/approvals")
def listfragment(control: Parts, by: Reader, seen: str = "") -> Response:
    """Return it when it changed since `seen`."""
    shown = _awaited(control, by)
    return fragment("_approvals.html", shown, unchanged=shown["seen_approvals"] == seen)


@router.get("/fragments/runs/{run_id}/approval")
def approvalfragment(run_id: str, control: Parts, by: Reader, seen: str = "") -> Response:
    """Return whose yes the run needs, and what was answered, when that changed since `seen`."""
    shown = approval_of(control, run_id, by)
    return fragment("_approval.html", shown, unchanged=shown["seen_approval"] == seen)


@router.post("/runs/{run_id}/approval")
def answer_run(run_id: str, control: Parts, by: Reader, form: Form) -> Response:
    """Say yes or no to a run that waits for it, as its page shows it: the answer signs the plan that was seen."""
    problem: Problem | None = None
    try:
        control.engine.approvals.answer(run_id, form.get("gate") or None, _verdict(form), by=by, note=usable(form.get("note", "").strip()))
    except Problem as refused:
        problem = refused
    status = problem.http_status if problem else HTTPStatus.OK
    return HTMLResponse(render("_approval.html", approval_of(control, run_id, by, problem)), status, {TOLD: "refused" if problem else "answered"})


def approval_of(control: Control, run_id: str, by: Person, problem: Problem | None = None) -> Shown:
    """Return what a run's page shows of its approvals to whoever looks. Raises: UnknownRun."""
    found = control.engine.approvals.of(run_id)
    return {
        "approval": found,
        "gates": tuple(_shown(found, gate, by) for gate in found.gates),
        "forced": overrides(found.answers),
        "overrides_needed": OVERRIDES_NEEDED,
        "longest_reason": LONGEST_REASON,
        "refusal": problem.document() if problem else None,
        "seen_approval": digest((found, by)),
    }


def _awaited(control: Control, by: Person) -> Shown:
    found = control.engine.approvals.awaited()
    rows = tuple((each, tuple(_shown(each, gate, by) for gate in each.gates)) for each in found)
    return {"awaited": rows, "seen_approvals": digest((found, by))}


def _shown(found: ApprovalView, gate: GateAsked, by: Person) -> GateShown:
    answers = tuple(each for each in found.answers if each.gate == gate.gate)
    return GateShown(asked=gate, answers=answers, why_not=_why_not(found, gate, by, answers))


def _why_not(found: ApprovalView, gate: GateAsked, by: Person, answers: tuple[Answer, ...]) -> str | None:
    if found.run.status is not RunStatus.AWAITING_APPROVAL:
        return "nothing is waited for any more"
    try:
        require_answerable(found.run.id, gate.gate, gate.roles, requested_by=found.run.requested_by, by=by)
    except Problem as problem:
        return f"{problem.what}; {problem.remedy}"
    return "you have said yes" if gate.granted and any(each.by == by.name and each.verdict is Verdict.GRANTED for each in answers) else None


def _verdict(form: dict[str, str]) -> Verdict:
    try:
        return {each.value: each for each in (Verdict.GRANTED, Verdict.REFUSED)}[form.get("verdict", "")]
    except KeyError:
        raise NoAnswer(what="neither yes nor no was said", remedy="choose one of the two") from None


class NoAnswer(BadInput):
    """What was sent answers nothing."""
