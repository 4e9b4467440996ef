"""The page of whoever looks: who they are here, a token for their command line, and the accounts of the chat that stand for them."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from unioneyes.console.approvals import TOLD
from unioneyes.console.control import Control, Parts
from unioneyes.console.guard import Reader, entry_of
from unioneyes.console.rendering import Shown, page, render
from unioneyes.kernel.access import Person, Right, listed
from unioneyes.kernel.problems import Problem, Refused
from unioneyes.runbook.store.links import LinkCode
from unioneyes.runbook.store.tokens import NewToken

router = APIRouter(include_in_schema=False)


@router.get("/me")
def show_myself(request: Request, control: Parts, by: Reader) -> Response:
    """Return who looks, and what they may do."""
    return page(request, "me.html", "", {**_shown(request, by), **_accounts(control, by)})


@router.post("/me/token")
def make_token(request: Request, control: Parts, by: Reader) -> Response:
    """Make a token for the command line of whoever came in by the identity provider. It is shown in this answer only."""
    try:
        issuer, until = _by_provider(request)
        made = control.engine.tokens.create_own(by, issuer=issuer, until=until)
    except Problem as problem:
        return HTMLResponse(render("_own_token.html", _shown(request, by, problem=problem)), problem.http_status, {TOLD: "refused"})
    return HTMLResponse(render("_own_token.html", _shown(request, by, made=made)), HTTPStatus.CREATED, {TOLD: "answered"})


@router.post("/me/chat")
def make_code(request: Request, control: Parts, by: Reader) -> Response:
    """Make the code by which an account of the chat comes to stand for whoever asks. It is shown in this answer only."""
    entry = entry_of(request)
    number, session = (entry.number, entry.session) if entry else (None, None)
    try:
        code = control.engine.links.offer(by, token=number, issuer=session.issuer if session else None, until=session.expires_at if session else None)
    except Problem as problem:
        return HTMLResponse(render("_own_chat.html", _accounts(control, by, problem=problem)), problem.http_status, {TOLD: "refused"})
    return HTMLResponse(render("_own_chat.html", _accounts(control, by, code=code)), HTTPStatus.CREATED, {TOLD: "answered"})


@router.post("/me/chat/end")
def end_links(control: Parts, by: Reader) -> Response:
    """Let no account of the chat stand for whoever asks any more."""
    control.engine.links.end(by.name, by=by.name)
    return HTMLResponse(render("_own_chat.html", _accounts(control, by)), headers={TOLD: "answered"})


def _accounts(control: Control, by: Person, *, code: LinkCode | None = None, problem: Problem | None = None) -> Shown:
    return {
        "me": by,
        "place": control.chat.place,
        "accounts": () if by.shared else control.engine.links.of(by.name),
        "code": code,
        "refusal": problem.document() if problem else None,
    }


def _shown(request: Request, by: Person, *, made: NewToken | None = None, problem: Problem | None = None) -> Shown:
    until: datetime | None = None
    why_not: str | None = None
    try:
        _, until = _by_provider(request)
    except HasOne as refused:
        why_not = refused.what
    return {
        "me": by,
        "roles": listed(by.roles),
        "rights": ", ".join(right for right in Right if by.may(right)),
        "until": until,
        "made": made,
        "refusal": problem.document() if problem else None,
        "why_not": why_not,
    }


def _by_provider(request: Request) -> tuple[str, datetime]:
    """Return which identity provider says who it is, and when the session ends, as their token does.

    Whoever came in by a token makes none: one that makes another would never end. Raises: HasOne.
    """
    entry = entry_of(request)
    session = entry.session if entry else None
    if session is None or session.token is not None or session.issuer is None:
        raise HasOne(what="whoever came in by a token has one", remedy="sign in by the identity provider, or ask an administrator: ue token create NAME")
    return session.issuer, session.expires_at


class HasOne(Refused):
    """Somebody asks for a token by a token."""
