"""What a provider's surface looks like: where it is asked what, what it says of itself, and what it tells of people."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from unioneyes.simulators.oidc.signing import ALGORITHM

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import JsonValue

Claims = dict[str, "JsonValue"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One that does all that the standard has, and tells everything whatever was asked for."""

    authorize: str = "/authorize"
    token: str = "/token"  # noqa: S105 - a path
    jwks: str = "/jwks"
    userinfo: str = "/userinfo"
    end_session: str | None = "/end-session"
    """None: people are signed out nowhere but where they were signed in."""
    sends_issuer: bool = True
    """Whether its answer says whose it is (RFC 9207)."""
    hashes: bool = True
    """Whether its identity names the access token that came with it."""
    numbers: bool = False
    """Whether its identity has an identifier of its own."""
    says: Mapping[str, JsonValue] = field(default_factory=lambda: {"id_token_signing_alg_values_supported": [ALGORITHM, "HS256"]})
    """What else stands in its discovery document."""
    userinfo_says: Mapping[str, JsonValue] = field(default_factory=dict)
    """What userinfo tells beside the person's claims."""
    scoped: Mapping[str, tuple[str, ...]] | None = None
    """Scope -> the claims that it brings; None: all come by any."""

    @property
    def choose(self) -> str:
        """Where people say who they are: beside where browsers are sent."""
        return f"{self.authorize.rpartition('/')[0]}/choose"

    def granted(self, claims: Claims, scopes: frozenset[str]) -> Claims:
        """Return those of the claims that the scopes bring."""
        if self.scoped is None:
            return claims
        brought = {name for scope in scopes for name in self.scoped.get(scope, ())}
        return {name: value for name, value in claims.items() if name in brought}


CLERK = Shape(
    authorize="/oauth/authorize",
    token="/oauth/token",  # noqa: S106 - a path
    jwks="/.well-known/jwks.json",
    userinfo="/oauth/userinfo",
    end_session=None,
    sends_issuer=False,
    hashes=False,
    numbers=True,
    says=MappingProxyType(
        {
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "none", "client_secret_post"],
            "scopes_supported": ["openid", "profile", "email", "public_metadata", "private_metadata", "offline_access", "user:org:read"],
            "claims_supported": ["sub", "iss", "aud", "exp", "iat", "email", "name", "org_id"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }
    ),
    userinfo_says=MappingProxyType({"object": "oauth_user_info", "instance_id": "ins_2abc"}),
    scoped=MappingProxyType(
        {
            "profile": ("family_name", "given_name", "name", "picture", "preferred_username"),
            "email": ("email", "email_verified"),
            "public_metadata": ("public_metadata", "unsafe_metadata"),
            "private_metadata": ("private_metadata",),
            "user:org:read": ("org_id",),
        }
    ),
)
"""Clerk, as an OAuth application meets it.

Source: Clerk's documentation, "How Clerk implements OAuth" (scopes, metadata) and "Use OAuth for Single Sign-On" (claims, userinfo).
"""
