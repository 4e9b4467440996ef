"""The provider's addresses: discovery, keys, sign-in, exchange, userinfo and sign-out."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from html import escape
from urllib.parse import parse_qsl, urlencode

import jwt
from pydantic import JsonValue
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from unioneyes.simulators.oidc.checks import Asked, OidcError, authentication, authorization, exchange
from unioneyes.simulators.oidc.lies import Lie, Told
from unioneyes.simulators.oidc.people import Client, Person
from unioneyes.simulators.oidc.shapes import Shape
from unioneyes.simulators.oidc.signing import Keys, identity

LATE_SECONDS = 30.0
"""How late a slow answer comes: later than any client waits."""
_ENDLESS = 4096


@dataclass(slots=True, kw_only=True)
class Provider:
    """What it knows, and what it remembers. It forgets all of it when it ends."""

    url: str
    """Its issuer."""
    client: Client
    people: tuple[Person, ...]
    shape: Shape = field(default_factory=Shape)
    keys: Keys = field(default_factory=Keys)
    lie: Lie | None = None
    violations: list[str] = field(default_factory=list)
    """Requests that no well-made client sends."""
    signed_out: list[str] = field(default_factory=list)
    """Subjects, in the order in which they were signed out."""
    asked: dict[str, Asked] = field(default_factory=dict)
    codes: dict[str, tuple[Asked, Person]] = field(default_factory=dict)
    """What was not shown yet: a code is good once."""
    access_tokens: dict[str, tuple[Asked, Person]] = field(default_factory=dict)

    def person(self, subject: str) -> Person | None:
        """Return whoever the subject is."""
        return next((each for each in self.people if each.subject == subject), None)


Answering = Callable[[Provider, Request], Awaitable[Response]]


def routes(provider: Provider) -> list[Route]:
    """Return the HTTP surface, to be mounted at the path of the provider's URL."""

    def honest(answer: Answering) -> Callable[[Request], Awaitable[Response]]:
        async def route(request: Request) -> Response:
            if provider.lie is Lie.DOWN:
                return PlainTextResponse("no healthy upstream", status_code=503)
            if provider.lie is Lie.SLOW:
                await asyncio.sleep(LATE_SECONDS)
            try:
                return await answer(provider, request)
            except OidcError as refused:
                provider.violations.append(f"{request.url.path}: {refused.error} {refused.details}".strip())
                status = 401 if refused.error in {"invalid_client", "invalid_token"} else 400
                return JSONResponse({"error": refused.error, "error_description": refused.details}, status_code=status)

        return route

    async def tell(request: Request) -> Response:
        provider.lie = Told.model_validate_json(await request.body()).lie
        return JSONResponse({"lie": provider.lie})

    shape = provider.shape
    return [
        Route("/.well-known/openid-configuration", honest(_discovery), methods=["GET"]),
        Route(shape.jwks, honest(_jwks), methods=["GET"]),
        Route(shape.authorize, honest(_authorize), methods=["GET"]),
        Route(shape.choose, honest(_choose), methods=["POST"]),
        Route(shape.token, honest(_token), methods=["POST"]),
        Route(shape.userinfo, honest(_userinfo), methods=["GET"]),
        *([Route(shape.end_session, honest(_end_session), methods=["GET"])] if shape.end_session else []),
        Route("/_lie", tell, methods=["POST"]),
    ]


async def _discovery(provider: Provider, _: Request) -> Response:
    url, shape = provider.url, provider.shape
    return JSONResponse(
        {
            "issuer": "https://another.example" if provider.lie is Lie.OTHER_DISCOVERY else url,
            "authorization_endpoint": f"{url}{shape.authorize}",
            "token_endpoint": f"{url}{shape.token}",
            "jwks_uri": f"{url}{shape.jwks}",
            "userinfo_endpoint": f"{url}{shape.userinfo}",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": [provider.client.authentication],
            **({"end_session_endpoint": f"{url}{shape.end_session}"} if shape.end_session else {}),
            **({"authorization_response_iss_parameter_supported": True} if shape.sends_issuer else {}),
            **shape.says,
        }
    )


async def _jwks(provider: Provider, _: Request) -> Response:
    return JSONResponse({"keys": provider.keys.public()})


async def _authorize(provider: Provider, request: Request) -> Response:
    number = secrets.token_urlsafe(16)
    provider.asked[number] = authorization(dict(request.query_params), provider.client)
    return HTMLResponse(_page(number, provider.people))


async def _choose(provider: Provider, request: Request) -> Response:
    form = await _form(request)
    asked, person = provider.asked.pop(form.get("request", ""), None), provider.person(form.get("person", ""))
    if asked is None or person is None:
        raise OidcError("invalid_request", "nobody asked for this sign-in, or nobody is called so")
    sent = {"state": "another-browser-s" if provider.lie is Lie.OTHER_STATE else asked.state}
    if provider.shape.sends_issuer:
        sent["iss"] = "https://another.example" if provider.lie is Lie.OTHER_SENDER else provider.url
    if provider.lie is Lie.REFUSED:
        sent |= {"error": "access_denied", "error_description": "the person said no"}
    else:
        code = secrets.token_urlsafe(24)
        provider.codes[code] = (asked, person)
        sent["code"] = code
    return RedirectResponse(f"{asked.redirect_uri}?{urlencode(sent)}", 303)


async def _token(provider: Provider, request: Request) -> Response:
    form = await _form(request)
    authentication(form, request.headers.get("authorization", ""), provider.client)
    found = provider.codes.pop(form.get("code", ""), None)
    if found is None:
        raise OidcError("invalid_grant", "no such code, or one that was shown before")
    asked, person = found
    exchange(form, asked)
    if provider.lie is Lie.GARBAGE:
        return HTMLResponse("<h1>Welcome</h1>")
    if provider.lie is Lie.ENDLESS:
        return StreamingResponse(_endless(), media_type="application/json")
    access = secrets.token_urlsafe(24)
    provider.access_tokens[access] = (asked, person)
    shape = provider.shape
    claims = identity(issuer=provider.url, client_id=provider.client.client_id, subject=person.subject, nonce=asked.nonce, lie=provider.lie)
    claims |= {**_marks(shape, access), **shape.granted(person.claims, asked.scopes)}
    told: dict[str, JsonValue] = {"access_token": access, "token_type": "Bearer", "expires_in": 300}
    if provider.lie is not Lie.NO_IDENTITY:
        told["id_token"] = provider.keys.signed(claims, provider.lie, provider.client.secret)
    return JSONResponse(told, headers={"Cache-Control": "no-store"})


def _marks(shape: Shape, access: str) -> dict[str, JsonValue]:
    """Return what the identity says of itself."""
    digest = hashlib.sha256(access.encode()).digest()
    marks: dict[str, JsonValue] = {"at_hash": urlsafe_b64encode(digest[:16]).rstrip(b"=").decode()} if shape.hashes else {}
    return marks | ({"jti": secrets.token_hex(10)} if shape.numbers else {})


async def _endless() -> AsyncIterator[bytes]:
    for _ in range(_ENDLESS):
        yield b" " * 4096


async def _userinfo(provider: Provider, request: Request) -> Response:
    found = provider.access_tokens.get(request.headers.get("authorization", "").partition(" ")[2])
    if found is None:
        raise OidcError("invalid_token", "no such access token")
    asked, person = found
    subject = "somebody-else" if provider.lie is Lie.SOMEBODY_ELSE else person.subject
    told = provider.shape.granted({**person.claims, **person.userinfo}, asked.scopes)
    return JSONResponse({"sub": subject, **provider.shape.userinfo_says, **told})


async def _end_session(provider: Provider, request: Request) -> Response:
    hint, back = request.query_params.get("id_token_hint", ""), request.query_params.get("post_logout_redirect_uri")
    try:
        said = jwt.decode(hint, options={"verify_signature": False})
    except jwt.PyJWTError:
        raise OidcError("invalid_request", "id_token_hint is none of ours") from None
    if said.get("iss") != provider.url or request.query_params.get("client_id") != said.get("aud"):
        raise OidcError("invalid_request", "id_token_hint is another client's or another provider's")
    if back not in provider.client.signed_out_uris:
        raise OidcError("invalid_request", f"{back} is not registered")
    provider.signed_out.append(str(said["sub"]))
    return RedirectResponse(back, 303)


async def _form(request: Request) -> dict[str, str]:
    return dict(parse_qsl((await request.body()).decode()))


def _page(number: str, people: Iterable[Person]) -> str:
    buttons = "\n".join(f'<button name="person" value="{escape(each.subject)}">{escape(each.subject)}</button>' for each in people)
    return (
        f'<!doctype html><html lang="en"><title>Who are you?</title><link rel="icon" href="data:,"><h1>Who are you?</h1>'
        f'<form method="post" action="choose"><input type="hidden" name="request" value="{number}">{buttons}</form></html>'
    )
