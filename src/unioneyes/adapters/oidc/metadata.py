"""What a provider says of itself, and the keys that it signs with: asked for when needed, and kept for a while."""

from __future__ import annotations

from datetime import timedelta
from threading import Lock
from urllib.parse import urlsplit

import jwt
from pydantic import Field, JsonValue

from unioneyes.adapters.oidc.asking import ANOTHER_WAY, Answered, Asking
from unioneyes.kernel.clock import Deadline
from unioneyes.ports.identity import IdentityRefused, ProviderUnavailable

KEPT_FOR = timedelta(hours=1)
"""How long the discovery document and the keys are used without being asked for again."""
KEYS_NOT_BEFORE = timedelta(seconds=5)
"""How often the keys are asked for at most where a key is unknown: providers take new ones into use, and others may name what does not exist."""
AWAY_FOR = timedelta(seconds=2)
"""How long one that did not answer is not asked again, so that those who wait for it hold up nobody else."""
ASYMMETRIC = frozenset({"RSA", "EC", "OKP"})
"""Kinds of keys whose public half stands with the provider. A shared one among them would let everybody sign. Source: RFC 8725, 2.1."""


class Metadata(Answered):
    """The discovery document. Source: OpenID Connect Discovery 1.0, 3."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    end_session_endpoint: str | None = None
    token_endpoint_auth_methods_supported: list[str] = Field(default_factory=lambda: ["client_secret_basic"])
    id_token_signing_alg_values_supported: list[str] = Field(default_factory=lambda: ["RS256"])
    authorization_response_iss_parameter_supported: bool = False

    def addresses(self) -> tuple[str, ...]:
        """Return where it says that it is reached."""
        named = (self.authorization_endpoint, self.token_endpoint, self.jwks_uri, self.userinfo_endpoint, self.end_session_endpoint)
        return tuple(each for each in named if each is not None)


class _KeySet(Answered):
    keys: list[dict[str, JsonValue]]


class Discovered:
    """One provider's metadata and keys. Safe to use from several threads."""

    def __init__(self, issuer: str, asking: Asking) -> None:
        """Ask nothing yet: a provider that is away must not keep a server from starting."""
        self._issuer = issuer
        self._asking = asking
        self._asks = Lock()
        """Whoever holds it asks for the metadata; the others go on with what is kept."""
        self._asks_keys = Lock()
        self._metadata: tuple[Metadata, Deadline] | None = None
        self._away: tuple[ProviderUnavailable, Deadline] | None = None
        self._keys: tuple[dict[str | None, jwt.PyJWK], Deadline, Deadline] | None = None

    def metadata(self) -> Metadata:
        """Return what the provider says of itself; while it does not answer, what it said before. Raises: ProviderUnavailable, ProviderRefused."""
        kept = self._metadata
        if kept is not None and not kept[1].passed:
            return kept[0]
        if not self._asks.acquire(blocking=kept is None):
            assert kept is not None  # noqa: S101 - else it would have waited
            return kept[0]
        try:
            return self._asked()
        finally:
            self._asks.release()

    def _asked(self) -> Metadata:
        """Return what the provider answers, or what another one who asked meanwhile was answered. For whoever holds the lock."""
        kept = self._metadata
        if kept is not None and not kept[1].passed:
            return kept[0]
        if self._away is not None and not self._away[1].passed:
            raise self._away[0]
        try:
            found = self._asking.get(f"{self._issuer.rstrip('/')}/.well-known/openid-configuration", Metadata)
            require_trustworthy(found, self._issuer)
        except ProviderUnavailable as problem:
            if kept is None:
                self._away = (problem, Deadline.after(AWAY_FOR))
                raise
            self._metadata = (kept[0], Deadline.after(AWAY_FOR))
            return kept[0]
        self._metadata, self._away = (found, Deadline.after(KEPT_FOR)), None
        return found

    def key(self, key_id: str | None) -> jwt.PyJWK:
        """Return the key that the provider calls so; without a name, its only one. Raises: IdentityRefused, ProviderUnavailable, ProviderRefused."""
        address = self.metadata().jwks_uri
        with self._asks_keys:
            kept = self._keys
            if kept is None or kept[1].passed or (key_id not in kept[0] and kept[2].passed):
                kept = (_usable(self._asking.get(address, _KeySet)), Deadline.after(KEPT_FOR), Deadline.after(KEYS_NOT_BEFORE))
                self._keys = kept
        keys = kept[0]
        if key_id in keys:
            return keys[key_id]
        if key_id is None and len(keys) == 1:
            return next(iter(keys.values()))
        raise IdentityRefused(
            what=f"the identity is signed with a key that {self._issuer} does not have: {(key_id or 'one without a name')[:80]!r}",
            remedy="sign in once more; where it says the same again, tell an administrator of this server",
        )


def require_trustworthy(found: Metadata, issuer: str) -> None:
    """Return when this is the provider that was named, and nothing that it names is asked in clear text. Raises: ProviderUnavailable."""
    if found.issuer != issuer:
        raise ProviderUnavailable(
            what=f"what answers for {issuer} says that it is {found.issuer[:200]}",
            remedy="correct [sign_in] issuer in environment.toml: letter by letter as the provider's discovery document has it",
        )
    for address in found.addresses():
        if urlsplit(address).scheme not in {"https", urlsplit(issuer).scheme}:
            raise ProviderUnavailable(what=f"{issuer} wants to be asked in clear text: {address[:200]}", remedy=ANOTHER_WAY)


def _usable(found: _KeySet) -> dict[str | None, jwt.PyJWK]:
    """Return the keys that verify signatures, by their names. One that can't be read keeps no other from being used."""
    keys: dict[str | None, jwt.PyJWK] = {}
    for each in found.keys:
        if each.get("kty") not in ASYMMETRIC or each.get("use", "sig") != "sig":
            continue
        try:
            key = jwt.PyJWK(each)
        except jwt.PyJWTError:
            continue
        keys[key.key_id] = key
    return keys
