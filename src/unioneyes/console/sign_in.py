"""Coming into the console and going out again: by a token, or by the identity provider that says who somebody is."""

from __future__ import annotations

import hmac
import logging
from dataclasses import replace
from http import HTTPStatus
from typing import Annotated, ClassVar
from urllib.parse import quote, urlsplit

from fastapi import APIRouter, Query, Request
from pydantic import SecretStr
from starlette.responses import HTMLResponse, RedirectResponse, Response

from unioneyes.console.attempts import LASTS as ATTEMPT_LASTS
from unioneyes.console.attempts import begin, begun, own_page
from unioneyes.console.control import Control, Parts, control_of
from unioneyes.console.failures import problem_headers
from unioneyes.console.forgery import is_foreign
from unioneyes.console.forms import Form
from unioneyes.console.guard import SESSION_COOKIE, Reader, entered_by, host_of
from unioneyes.console.limits import TooManyRequests, client_of
from unioneyes.console.rendering import render
from unioneyes.environments.sign_in import CALLBACK, SIGNED_OUT, SignIn
from unioneyes.kernel.access import NotAllowed
from unioneyes.kernel.clock import now
from unioneyes.kernel.problems import NotAuthorised, NotFound, Problem, Unavailable
from unioneyes.ports.identity import Answer, Identity
from unioneyes.runbook.store.sessions import LASTS

log = logging.getLogger(__name__)

ATTEMPT_COOKIE = "ue_sign_in"
"""`Lax`, where the session's is `Strict`: the provider is another site, and sends the browser back with it."""
_LONGEST_ANSWER = 4096
_NAVIGATES = "navigate"
"""What browsers call a request for a page that somebody sees, in `Sec-Fetch-Mode`."""
_MOST_GROUPS = 10

router = APIRouter(include_in_schema=False)
Sent = Annotated[str, Query(max_length=_LONGEST_ANSWER)]


@router.get("/login")
def login(request: Request) -> Response:
    """Ask how to sign in."""
    return login_form(request)


@router.post("/login")
def submit_login(request: Request, control: Parts, form: Form) -> Response:
    """Sign in by the form."""
    return _by_token(request, control, form.get("token", ""), form.get("to", "/"))


@router.get("/login/provider")
def leave(request: Request, control: Parts, to: str = "") -> Response:
    """Send the browser to the identity provider, bound to its answer. No other site begins that."""
    sign_in = _offered(control)
    if is_foreign(request.headers):
        return login_form(request)
    control.limits.count_sign_in(client_of(host_of(request)))
    started = begin(to, control.token, now())
    try:
        url = sign_in.provider.sign_in_url(started.attempt)
    except Problem as problem:
        return login_form(request, problem, started.wants)
    response = RedirectResponse(url, HTTPStatus.SEE_OTHER)
    lasts = int(ATTEMPT_LASTS.total_seconds())
    response.set_cookie(ATTEMPT_COOKIE, started.kept, max_age=lasts, path=SIGNED_OUT, httponly=True, samesite="lax", secure=_under_tls(sign_in))
    return response


@router.get(CALLBACK)
def come_back(
    *, request: Request, control: Parts, state: Sent = "", code: Sent = "", iss: Sent | None = None, error: Sent = "", error_description: Sent = ""
) -> Response:
    """Let the person in whom the provider sends back, if this browser began it. The page that answers leads on by itself.

    A redirect would not do: the way began at another site, so the browser would not send the session's cookie along.
    """
    sign_in = _offered(control)
    kept = begun(request.cookies.get(ATTEMPT_COOKIE, ""), control.token, now())
    if kept is None or request.headers.get("sec-fetch-mode", _NAVIGATES) != _NAVIGATES:  # any page can let its visitors ask for this: nothing is tried by it
        return login_form(request, NotBegunHere.at(sign_in.address), "/")
    client, shown, known = client_of(host_of(request)), code or state, None
    control.limits.require_attempt(client, shown)
    try:
        if not hmac.compare_digest(state.encode(), kept.attempt.state.encode()):
            raise NotBegunHere.at(sign_in.address)
        control.limits.count_sign_in(client)
        known = sign_in.provider.identify(kept.attempt, Answer(code=code, issuer=iss, error=error, description=error_description))
        if not known.roles:
            control.engine.sessions.lost_all_roles(known)
        _require_a_role(known, sign_in)
        secret = control.engine.sessions.begin_by_identity(known, replaces=request.cookies.get(SESSION_COOKIE, ""))
    except (Unavailable, TooManyRequests) as problem:
        response = login_form(request, problem, kept.wants)
    except Problem as problem:
        control.limits.failed(client, shown)  # as a wrong token, so that nobody tries for long
        log.warning("somebody did not come in by %s from %s: %s", sign_in.provider.issuer, client, problem.what)
        control.engine.sessions.refused(problem.what, name=known.name if known else None, by=f"{sign_in.provider.issuer} from {client}")
        response = login_form(request, problem, kept.wants)
    else:
        response = HTMLResponse(render("signed_in.html", {"name": known.name, "to": kept.wants}))
        _remember(response, secret, secure=_under_tls(sign_in))
    response.delete_cookie(ATTEMPT_COOKIE, path=SIGNED_OUT)
    return response


@router.post("/logout")
def logout(request: Request, control: Parts, by: Reader) -> Response:
    """End the session, here and at the provider that it was begun by, where that offers it."""
    del by
    ended = control.engine.sessions.end(request.cookies.get(SESSION_COOKIE, ""))
    there = control.sign_in.provider.sign_out_url(ended.proof) if control.sign_in and ended and ended.proof else None
    response = Response(status_code=HTTPStatus.NO_CONTENT, headers={"HX-Redirect": there or SIGNED_OUT})
    response.delete_cookie(SESSION_COOKIE)
    return response


def login_url(request: Request) -> str:
    """Return where somebody is led who is not signed in, and who afterwards wants to see the page that they asked for, or that is open."""
    shown = urlsplit(request.headers.get("hx-current-url", "")) if "hx-request" in request.headers else urlsplit(str(request.url))
    path = f"{shown.path}?{shown.query}" if shown.query else shown.path
    wants = own_page(path) if request.method == "GET" else "/"
    return SIGNED_OUT if wants == "/" else f"{SIGNED_OUT}?to={quote(wants, safe='')}"


def login_form(request: Request, problem: Problem | None = None, wants: str | None = None) -> Response:
    """Return the page that asks how somebody wants to come in, to see what they want, and says why they are not in yet."""
    sign_in = control_of(request).sign_in
    shown = {
        "problem": problem.document() if problem else None,
        "provider": urlsplit(sign_in.provider.issuer).netloc if sign_in else None,
        "to": own_page(request.query_params.get("to", "/") if wants is None else wants),
    }
    return HTMLResponse(render("login.html", shown), problem.http_status if problem else HTTPStatus.OK, problem_headers(problem) if problem else None)


def _by_token(request: Request, control: Control, token: str, to: str) -> Response:
    host = host_of(request)
    entry = entered_by(token, control, host)
    if entry is None:
        problem = WrongToken.now()
        control.engine.sessions.refused(problem.what, name=None, by=f"token from {client_of(host)}")
        return login_form(request, problem, to)
    response = RedirectResponse(own_page(to), HTTPStatus.SEE_OTHER)
    replaced, sessions = request.cookies.get(SESSION_COOKIE, ""), control.engine.sessions
    secret = (
        sessions.begin_by_token(entry.number, entry.person, replaces=replaced)
        if entry.number
        else sessions.begin_by_environment(control.own_token, replace(entry.person, name="console"), replaces=replaced)
    )
    _remember(response, secret, secure=request.url.scheme == "https" or _under_tls(control.sign_in))
    return response


def _remember(response: Response, secret: SecretStr, *, secure: bool) -> None:
    lasts = int(LASTS.total_seconds())
    response.set_cookie(SESSION_COOKIE, secret.get_secret_value(), max_age=lasts, httponly=True, samesite="strict", secure=secure)


def _under_tls(sign_in: SignIn | None) -> bool:
    """Return whether browsers come by TLS, as it was configured: what ends it before this server does not count requests as such."""
    return sign_in is not None and sign_in.address.startswith("https:")


def _require_a_role(known: Identity, sign_in: SignIn) -> None:
    """Return when the person is somebody here. Raises: NoRole."""
    if known.roles:
        return
    groups = ", ".join(known.groups[:_MOST_GROUPS]) or "none"
    raise NoRole(
        what=f"you are {known.name}, and have no role here: nothing of what {sign_in.roles_claim} says of you brings one: {groups}",
        remedy=f"ask {sign_in.contact}",
    )


def _offered(control: Control) -> SignIn:
    if control.sign_in is None:
        raise NoProvider(what="nobody signs in by an identity provider here", remedy="sign in by a token; [sign_in] in environment.toml names a provider")
    return control.sign_in


class WrongToken(NotAuthorised):
    """What was shown lets nobody in."""

    @classmethod
    def now(cls) -> WrongToken:
        """Return the problem of any token that is."""
        return cls(what="This is not the token of this server.", remedy="ask an administrator of this server for one: ue token create NAME")


class NoRole(NotAllowed):
    """The identity provider knows who it is, and nothing here says what they are."""


class NotBegunHere(NotAuthorised):
    """The provider's answer is not for this browser, or came too late."""

    http_status: ClassVar[int] = 403

    @classmethod
    def at(cls, address: str) -> NotBegunHere:
        """Return the problem of any answer that is, to a server at this address."""
        return cls(what="this sign-in was not begun in this browser, or took longer than ten minutes", remedy=f"begin once more at {address}, and stay there")


class NoProvider(NotFound):
    """There is no such way in."""
