"""The page of whoever looks: who they are here, and a token for their command line."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from unioneyes.console.approvals import TOLD
from unioneyes.console.control import Parts
from unioneyes.console.guard import Reader, entry_of
from unioneyes.console.rendering import Shown, page, render
from unioneyes.kernel.access import Person, Right, listed
from unioneyes.kernel.problems import Problem, Refused
from unioneyes.runbook.store.sessions import LASTS
from unioneyes.runbook.store.tokens import NewToken

router = APIRouter(include_in_schema=False)


@router.get("/me")
def show_myself(request: Request, by: Reader) -> Response:
    """Return who looks, and what they may do."""
    return page(request, "me.html", "", _shown(request, by))


@router.post("/me/token")
def make_token(request: Request, control: Parts, by: Reader) -> Response:
    """Make a token for the command line of whoever came in by the identity provider. It is shown in this answer only."""
    try:
        _require_known(request)
        made = control.engine.tokens.create_own(by, lasts=LASTS)
    except Problem as problem:
        return HTMLResponse(render("_own_token.html", _shown(request, by, problem=problem)), problem.http_status, {TOLD: "refused"})
    return HTMLResponse(render("_own_token.html", _shown(request, by, made=made)), HTTPStatus.CREATED, {TOLD: "answered"})


def _shown(request: Request, by: Person, *, made: NewToken | None = None, problem: Problem | None = None) -> Shown:
    try:
        _require_known(request)
        why_not = None
    except HasOne as refused:
        why_not = refused.what
    return {
        "me": by,
        "roles": listed(by.roles),
        "rights": ", ".join(right for right in Right if by.may(right)),
        "lasts": LASTS,
        "made": made,
        "refusal": problem.document() if problem else None,
        "why_not": why_not,
    }


def _require_known(request: Request) -> None:
    """Return when an identity provider says who it is: a token that makes another one would never end. Raises: HasOne."""
    entry = entry_of(request)
    if entry is None or entry.number is not None:
        raise HasOne(what="whoever came in by a token has one", remedy="sign in by the identity provider, or ask an administrator: ue token create NAME")


class HasOne(Refused):
    """Somebody asks for a token by a token."""
