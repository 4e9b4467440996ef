"""Who is known to the provider: the client, and the people who can sign in."""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import JsonValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """An application that may have people signed in."""

    client_id: str
    secret: str | None
    """None: a public client."""
    authentication: str = "client_secret_basic"
    """How it says who it is where codes are exchanged: `client_secret_basic`, `client_secret_post` or `none`."""
    redirect_uris: tuple[str, ...]
    signed_out_uris: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who can sign in."""

    subject: str
    claims: dict[str, JsonValue] = field(default_factory=dict)
    """What the signed identity says beside whose it is."""
    userinfo: dict[str, JsonValue] = field(default_factory=dict)
    """What only the userinfo endpoint tells."""
