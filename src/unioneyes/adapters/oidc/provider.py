"""Signing people in by the authorization code flow with PKCE. Source: OpenID Connect Core 1.0, 3.1; RFC 7636; RFC 9700."""

from __future__ import annotations

import hashlib
from base64 import b64encode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import quote_plus, urlencode, urlsplit

from pydantic import ConfigDict, JsonValue, SecretStr

from unioneyes.adapters.oidc.asking import TIME_LIMIT, Answered, Asking, refusal
from unioneyes.adapters.oidc.claims import Reading
from unioneyes.adapters.oidc.id_token import Claims, verified
from unioneyes.adapters.oidc.metadata import Discovered, Metadata
from unioneyes.kernel.problems import Problem
from unioneyes.ports.identity import Answer, Attempt, Identity, IdentityRefused


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """What the provider knows this server as."""

    client_id: str
    secret: SecretStr | None
    """None: a public client, which PKCE alone protects."""
    redirect_uri: str
    """Registered with the provider, letter by letter."""
    signed_out_uri: str
    """Where the browser comes back to after a sign-out; registered too."""
    scopes: tuple[str, ...]


class _Tokens(Answered):
    id_token: str
    access_token: str | None = None


class _UserInfo(Answered):
    model_config = ConfigDict(extra="allow")

    sub: str


class OpenIdProvider:
    """One provider, found by its discovery document."""

    def __init__(self, issuer: str, client: Client, reading: Reading, *, time_limit: timedelta = TIME_LIMIT) -> None:
        """Ask nothing yet."""
        self.issuer = issuer
        self._client = client
        self._reading = reading
        self._asking = Asking(time_limit=time_limit)
        self._discovered = Discovered(issuer, self._asking)

    def sign_in_url(self, attempt: Attempt) -> str:
        """Return where the browser is sent. Raises: ProviderUnavailable, ProviderRefused."""
        asked = {
            "response_type": "code",
            "client_id": self._client.client_id,
            "redirect_uri": self._client.redirect_uri,
            "scope": " ".join(self._client.scopes),
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": challenge(attempt.verifier),
            "code_challenge_method": "S256",
        }
        return _with_query(self._discovered.metadata().authorization_endpoint, asked)

    def identify(self, attempt: Attempt, answer: Answer) -> Identity:
        """Return who signed in. Raises: ProviderUnavailable, ProviderRefused, IdentityRefused, UnusableName."""
        metadata = self._discovered.metadata()
        self._require_sender(metadata, answer)
        if answer.error or not answer.code:
            raise refusal(answer.error or "it sent no code", answer.description)
        form = {"grant_type": "authorization_code", "code": answer.code, "redirect_uri": self._client.redirect_uri, "code_verifier": attempt.verifier}
        named, headers = self._authenticated(metadata)
        tokens = self._asking.post(metadata.token_endpoint, form | named, _Tokens, headers)
        claims = verified(
            tokens.id_token,
            issuer=self.issuer,
            client_id=self._client.client_id,
            nonce=attempt.nonce,
            access_token=tokens.access_token,
            offered=metadata.id_token_signing_alg_values_supported,
            key=self._discovered.key,
        )
        told = {**self._more(metadata, tokens, claims), **claims}
        groups = self._reading.groups(told)
        return Identity(
            issuer=self.issuer,
            subject=str(claims["sub"]),
            name=self._reading.name(told),
            groups=groups,
            roles=self._reading.brought(groups),
            proof=SecretStr(tokens.id_token),
        )

    def sign_out_url(self, proof: SecretStr) -> str | None:
        """Return where the browser is sent to be signed out there too; None where that is not offered. Source: OpenID Connect RP-Initiated Logout 1.0, 2."""
        try:
            endpoint = self._discovered.metadata().end_session_endpoint
        except Problem:
            return None
        if endpoint is None:
            return None
        hints = {"id_token_hint": proof.get_secret_value(), "client_id": self._client.client_id, "post_logout_redirect_uri": self._client.signed_out_uri}
        return _with_query(endpoint, hints)

    def _require_sender(self, metadata: Metadata, answer: Answer) -> None:
        """Return when no other provider sent the browser here. Raises: IdentityRefused. Source: RFC 9207, 2.4."""
        expected = answer.issuer is not None or metadata.authorization_response_iss_parameter_supported
        if expected and answer.issuer != self.issuer:
            raise IdentityRefused(
                what=f"the answer was sent by {(answer.issuer or 'nobody who says so')[:200]}, and not by {self.issuer}",
                remedy="sign in once more, beginning at this server",
            )

    def _authenticated(self, metadata: Metadata) -> tuple[dict[str, str], dict[str, str]]:
        """Return what of the form and of the headers says which client asks. Source: RFC 6749, 2.3.1."""
        name, secret = self._client.client_id, self._client.secret
        if secret is None:
            return {"client_id": name}, {}
        offered = metadata.token_endpoint_auth_methods_supported
        if "client_secret_post" in offered and "client_secret_basic" not in offered:
            return {"client_id": name, "client_secret": secret.get_secret_value()}, {}
        pair = f"{quote_plus(name)}:{quote_plus(secret.get_secret_value())}"
        return {}, {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}

    def _more(self, metadata: Metadata, tokens: _Tokens, claims: Claims) -> dict[str, JsonValue]:
        """Return what the provider tells beside the signed identity, where that leaves out what is needed. Source: OpenID Connect Core 1.0, 5.3."""
        if metadata.userinfo_endpoint is None or tokens.access_token is None or not self._reading.missing(claims):
            return {}
        told = self._asking.get(metadata.userinfo_endpoint, _UserInfo, {"Authorization": f"Bearer {tokens.access_token}"})
        if told.sub != claims["sub"]:
            raise IdentityRefused(what="the identity provider tells of somebody else than who signed in", remedy="sign in once more")
        more: dict[str, JsonValue] = told.model_dump()
        return more


def challenge(verifier: str) -> str:
    """Return what the provider sees of the verifier. Source: RFC 7636, 4.2, S256."""
    return urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _with_query(url: str, asked: dict[str, str]) -> str:
    return f"{url}{'&' if urlsplit(url).query else '?'}{urlencode(asked)}"
