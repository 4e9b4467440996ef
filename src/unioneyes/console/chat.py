"""What people do in the chat: they say yes or no to a run that waits for it, as on its page. The chat's signature is all that lets a request in here."""

from __future__ import annotations

import logging
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import JsonValue
from starlette.responses import JSONResponse, Response

from unioneyes.console.control import Control, Parts
from unioneyes.console.guard import host_of
from unioneyes.console.limits import client_of
from unioneyes.environments.listening import CHAT_HOOK
from unioneyes.kernel.access import Person, way_in
from unioneyes.kernel.problems import Problem
from unioneyes.kernel.status import RunStatus
from unioneyes.ports.chat import Answering, AskCode, AskWhy, Coded, Doing, NotOfChat, Pressed, Reasoned, Shown, Tell
from unioneyes.runbook.approvals import require_answerable, require_same_plan
from unioneyes.runbook.problems import AccountTaken, AnsweredAlready, CodeWrong, NotAwaited, UnknownGate
from unioneyes.runbook.reasons import LONGEST_REASON, usable
from unioneyes.runbook.views import ApprovalView, GateAsked, Verdict

log = logging.getLogger(__name__)

router = APIRouter(include_in_schema=False)


async def read_body(request: Request) -> bytes:
    """Return the very bytes that were signed."""
    return await request.body()


@router.post(CHAT_HOOK)
def hear(request: Request, control: Parts, body: Annotated[bytes, Depends(read_body)]) -> Response:
    """Answer what somebody did in the chat, which waits for three seconds. Raises: NotOfChat, TooManyWrongTokens, TooManyRequests, and the chat's own."""
    doing = _read(request, control, body)
    if doing is None:
        return Response()
    if (way := way_in.get()) is not None:
        way.chat = doing.account
    control.limits.count_request(doing.account, doing.account)
    if isinstance(doing, Pressed):
        try:
            control.chat.show(doing, _opening(control, doing.account, doing.answering))
        except Problem as problem:
            log.warning("nothing could be shown to %s: %s", doing.account, problem)
            raise
        return Response()
    try:
        return JSONResponse(_filled_in(control, doing))
    except Problem as problem:
        return JSONResponse(control.chat.complaint(doing, control.redactor(_told(problem))))


def _read(request: Request, control: Control, body: bytes) -> Doing | None:
    """Return what somebody did. Who can't sign is slowed as who guesses tokens is, and who signs never waits for those.

    Raises: NotOfChat, TooManyWrongTokens.
    """
    try:
        return control.chat.read(body, request.headers)
    except NotOfChat:
        client, shown = client_of(host_of(request)), request.headers.get("x-slack-signature", "")
        control.limits.require_attempt(client, shown)
        control.limits.failed(client, shown)
        raise


def _filled_in(control: Control, doing: Reasoned | Coded) -> JsonValue:
    """Return the chat's answer to a form. Raises: Problem, where the form is to be filled in otherwise."""
    if isinstance(doing, Coded):
        _link(control, doing)
        return control.chat.next(_opening(control, doing.account, doing.answering))
    by = _person(control, doing.account)
    if by is None:
        return control.chat.next(_who(control, doing.answering))
    wanted = doing.answering
    verdict = Verdict.GRANTED if wanted.yes else Verdict.REFUSED
    found = control.engine.approvals.answer(wanted.run, wanted.gate, verdict, by=by, note=usable(doing.reason.strip()), plan=wanted.plan)
    return control.chat.next(_answered(found, wanted))


def _link(control: Control, doing: Coded) -> None:
    """The account stands for whoever made the code. Raises: TooManyWrongTokens, CodeWrong, AccountTaken."""
    control.limits.require_attempt(doing.account, doing.code)
    try:
        control.engine.links.link(doing.code, doing.account)
    except (CodeWrong, AccountTaken) as problem:
        if isinstance(problem, CodeWrong):
            control.limits.failed(doing.account, doing.code)
        control.engine.sessions.refused(problem.what, name=None, by=f"code from {doing.account}")
        raise


def _person(control: Control, account: str) -> Person | None:
    """Return for whom the account stands; None for nobody, also where what the link was made with lets nobody in any more."""
    session = control.engine.links.holder(account)
    return session.person if session is not None and control.holds(session) else None


def _opening(control: Control, account: str, wanted: Answering) -> Shown:
    """Return what somebody sees who wants to answer: what they sign and a field for the reason; or who they would have to be, or why they can't."""
    by = _person(control, account)
    if by is None:
        return _who(control, wanted)
    try:
        found = control.engine.approvals.of(wanted.run)
        gate = _require_open(found, wanted, by)
    except Problem as problem:
        return Tell(title="Not answered", text=control.redactor(_told(problem)))
    facts = (("Run", wanted.run), ("Requested by", found.run.requested_by), ("For", f"{gate.title}, as {by.name}"), ("Plan", wanted.plan))
    return AskWhy(answering=wanted, title=found.run.summary, facts=facts, longest=LONGEST_REASON)


def _require_open(found: ApprovalView, wanted: Answering, by: Person) -> GateAsked:
    """Return the gate, if an answer of theirs would be taken now. Raises: NotAwaited, UnknownGate, AnotherPlan, NotAllowed, OwnRequest, AnsweredAlready."""
    if found.run.status is not RunStatus.AWAITING_APPROVAL:
        raise NotAwaited(what=f"{wanted.run} is {found.run.status}, and waits for nobody's approval", remedy=f"ue run show {wanted.run}")
    require_same_plan(wanted.run, wanted.plan, found.run.plan_hash)
    gate = next((each for each in found.gates if each.gate == wanted.gate), None)
    if gate is None:
        raise UnknownGate(what=f"{wanted.run} needs no approval called {wanted.gate!r}", remedy=f"ue approval show {wanted.run}")
    require_answerable(wanted.run, gate.gate, gate.roles, requested_by=found.run.requested_by, by=by)
    if wanted.yes and gate.granted and any((each.by, each.gate, each.verdict) == (by.name, gate.gate, Verdict.GRANTED) for each in found.answers):
        raise AnsweredAlready(what=f"{by.name} has said yes to {gate.title}", remedy="refuse, where that was wrong")
    return gate


def _who(control: Control, wanted: Answering) -> AskCode:
    console, place = control.environment.facts.console, control.chat.place
    page = f"{console}/me" if console else "the console's page behind your name"
    how = f"What {place} says of you counts for nothing here. On {page}, make a code, and type it below: then this account stands for you, for a while."
    return AskCode(answering=wanted, how=how)


def _answered(found: ApprovalView, wanted: Answering) -> Tell:
    title = next(each.title for each in found.gates if each.gate == wanted.gate)
    if not wanted.yes:
        return Tell(title="Refused", text=f"You said no to {title}. {wanted.run} has ended, and nothing was changed.")
    missing = "; ".join(f"{each.title} ({' or '.join(each.roles)})" for each in found.gates if each.granted < each.needed)
    then = "It begins as soon as its service is free." if found.approved else f"It still waits for {missing}."
    return Tell(title="Approved", text=f"You said yes to {title}. {then}")


def _told(problem: Problem) -> str:
    return f"{problem.what}; {problem.remedy}"
