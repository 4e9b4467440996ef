"""Whom an identity provider says that somebody is, and what they are to us for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from pydantic import SecretStr

from unioneyes.kernel.access import Role
from unioneyes.kernel.problems import NotAuthorised, Unavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One sign-in that is under way. Only whoever began it knows what binds the provider's answer to it."""

    state: str
    """Comes back with the answer: it is for this browser."""
    nonce: str
    """Stands in the signed identity: it was made for this sign-in."""
    verifier: str
    """What the provider saw the hash of (PKCE, RFC 7636): whoever takes the code along without it gets nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the provider sent the browser back with."""

    code: str = ""
    """Good for one identity; empty where there is none."""
    issuer: str | None = None
    """Who says to have sent it, where the provider tells (RFC 9207)."""
    error: str = ""
    """Why there is no code. Source: RFC 6749, 4.1.2.1."""
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Somebody whom the provider knows."""

    issuer: str
    subject: str
    """The provider's own key for them: it never changes, and nobody else ever gets it."""
    name: str
    """Under which they stand in journals and in the audit log."""
    groups: tuple[str, ...]
    """What the provider says that they belong to."""
    roles: frozenset[Role]
    """What their groups are here. Nobody without one comes in."""
    proof: SecretStr
    """The signed identity itself; the provider knows by it whom to sign out."""


class IdentityProvider(Protocol):
    """Signs people in: OpenID Connect, authorization code flow with PKCE. Every call ends within seconds. Source: OpenID Connect Core 1.0, 3.1."""

    @property
    def issuer(self) -> str:
        """Who it is: its address."""

    def sign_in_url(self, attempt: Attempt) -> str:
        """Return where the browser is sent. Raises: ProviderUnavailable, ProviderRefused."""

    def identify(self, attempt: Attempt, answer: Answer) -> Identity:
        """Return who signed in. Nothing is believed that the provider did not sign for us, for this attempt, and just now.

        Raises: ProviderUnavailable, ProviderRefused, IdentityRefused.
        """

    def sign_out_url(self, proof: SecretStr) -> str | None:
        """Return where the browser is sent to be signed out at the provider too; None where it offers nothing, or does not answer."""


class ProviderUnavailable(Unavailable):
    """The identity provider does not answer, or answers with what nobody can read. May be tried again."""


class ProviderRefused(NotAuthorised):
    """The identity provider does not want to sign this person in, or does not know this server."""


class IdentityRefused(NotAuthorised):
    """What the identity provider sent does not prove who somebody is."""
