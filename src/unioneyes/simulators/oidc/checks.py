"""What a provider asks of those who come to it, and refuses otherwise. Source: RFC 6749; RFC 7636; RFC 9700; OpenID Connect Core 1.0."""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote_plus

from unioneyes.simulators.oidc.people import Client

_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")
_SHORTEST = 16
"""Characters of what nobody may guess."""


class OidcError(Exception):
    """What the provider answers instead. Source: RFC 6749, 4.1.2.1 and 5.2."""

    def __init__(self, error: str, details: str = "") -> None:
        """Refuse with `error`; a browser that must not be sent back is told so on a page."""
        super().__init__(error)
        self.error = error
        self.details = details


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A sign-in that a client asked for."""

    redirect_uri: str
    state: str
    nonce: str
    challenge: str
    scopes: frozenset[str]


def authorization(query: Mapping[str, str], client: Client) -> Asked:
    """Return what is asked for. Raises: OidcError."""
    if query.get("client_id") != client.client_id:
        raise OidcError("invalid_client", "no such client")
    if query.get("redirect_uri") not in client.redirect_uris:
        raise OidcError("invalid_redirect_uri", f"{query.get('redirect_uri')} is not registered")
    scopes = frozenset(query.get("scope", "").split())
    for holds, error in (
        (query.get("response_type") == "code", "unsupported_response_type"),
        ("openid" in scopes, "invalid_scope"),
        (len(query.get("state", "")) >= _SHORTEST, "state is missing, or can be guessed"),
        (len(query.get("nonce", "")) >= _SHORTEST, "nonce is missing, or can be guessed"),
        (query.get("code_challenge_method") == "S256", "code_challenge_method is not S256"),
        (_CHALLENGE.fullmatch(query.get("code_challenge", "")), "code_challenge is no SHA-256"),
        (query.get("state") != query.get("nonce"), "state and nonce are the same"),
    ):
        if not holds:
            raise OidcError("invalid_request", error)
    return Asked(redirect_uri=query["redirect_uri"], state=query["state"], nonce=query["nonce"], challenge=query["code_challenge"], scopes=scopes)


def exchange(form: Mapping[str, str], asked: Asked) -> None:
    """Return when the code is shown by whoever began the sign-in. Raises: OidcError."""
    if form.get("grant_type") != "authorization_code":
        raise OidcError("unsupported_grant_type")
    if form.get("redirect_uri") != asked.redirect_uri:
        raise OidcError("invalid_grant", "another redirect_uri than the one that was asked for")
    verifier = form.get("code_verifier", "")
    digest = urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    if not _VERIFIER.fullmatch(verifier) or not hmac.compare_digest(digest, asked.challenge):
        raise OidcError("invalid_grant", "the code_verifier is not that of the code_challenge")


def authentication(form: Mapping[str, str], authorization: str, client: Client) -> None:
    """Return when the client says who it is, in its own way and no other. Raises: OidcError."""
    basic = authorization.partition(" ")[2] if authorization.lower().startswith("basic ") else None
    match client.authentication:
        case "client_secret_basic":
            name, _, secret = b64decode(basic or "").decode().partition(":")
            right = unquote_plus(name) == client.client_id and unquote_plus(secret) == client.secret and "client_secret" not in form
        case "client_secret_post":
            right = basic is None and form.get("client_id") == client.client_id and form.get("client_secret") == client.secret
        case _:
            right = basic is None and form.get("client_id") == client.client_id and "client_secret" not in form
    if not right:
        raise OidcError("invalid_client", f"{client.authentication} is expected")
