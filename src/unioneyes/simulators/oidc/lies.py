"""What the provider does wrong when it is told to, and identities that are signed as no honest one is."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import urlsafe_b64encode
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, JsonValue


class Lie(StrEnum):
    """One way to be wrong."""

    DOWN = "down"
    SLOW = "slow"
    GARBAGE = "garbage"
    """The token endpoint answers with a page."""
    ENDLESS = "endless"
    """It answers with more than anybody reads."""
    REFUSED = "refused"
    """The person did not want to, or may not."""
    OTHER_NONCE = "other-nonce"
    NO_NONCE = "no-nonce"
    OTHER_ISSUER = "other-issuer"
    OTHER_AUDIENCE = "other-audience"
    OTHER_PARTY = "other-party"
    """For us among others, and given to another client."""
    MANY_AUDIENCES = "many-audiences"
    """For us among others, and given to nobody in particular."""
    EXPIRED = "expired"
    FROM_THE_FUTURE = "from-the-future"
    NO_SUBJECT = "no-subject"
    NO_END = "no-end"
    ALG_NONE = "alg-none"
    HS256_WITH_THE_PUBLIC_KEY = "hs256-with-the-public-key"
    HS256_WITH_THE_SECRET = "hs256-with-the-secret"  # noqa: S105 - a word
    UNKNOWN_KEY = "unknown-key"
    FORGED = "forged"
    """Signed by another key under the name of the right one."""
    OTHER_ACCESS_TOKEN = "other-access-token"  # noqa: S105 - a word
    OTHER_SENDER = "other-sender"
    """The browser is sent back in another provider's name."""
    OTHER_STATE = "other-state"
    SOMEBODY_ELSE = "somebody-else"
    """The userinfo endpoint tells of another person."""
    NO_IDENTITY = "no-identity"
    OTHER_DISCOVERY = "other-discovery"
    """The discovery document is another provider's."""


class Told(BaseModel):
    """What the provider does wrong from now on."""

    model_config = ConfigDict(extra="forbid")

    lie: Lie | None


CHANGED: dict[Lie, dict[str, JsonValue]] = {
    Lie.OTHER_NONCE: {"nonce": "of-another-sign-in"},
    Lie.NO_NONCE: {"nonce": None},
    Lie.OTHER_ISSUER: {"iss": "https://another.example"},
    Lie.OTHER_AUDIENCE: {"aud": "another-client"},
    Lie.NO_SUBJECT: {"sub": None},
    Lie.NO_END: {"exp": None},
    Lie.OTHER_ACCESS_TOKEN: {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
}
"""Claims in another value's place; None: left out."""


def by_hmac(claims: dict[str, JsonValue], key: bytes, key_id: str) -> str:
    """Return the claims signed by HS256: as whoever takes a public key for a shared one would verify them."""
    said = _said({"alg": "HS256", "typ": "JWT", "kid": key_id}, claims)
    return f"{said}.{_encoded(hmac.new(key, said.encode(), hashlib.sha256).digest())}"


def unsigned(claims: dict[str, JsonValue]) -> str:
    """Return the claims with no signature, and saying so."""
    return f"{_said({'alg': 'none', 'typ': 'JWT'}, claims)}."


def _said(header: dict[str, JsonValue], claims: dict[str, JsonValue]) -> str:
    return ".".join(_encoded(json.dumps(each).encode()) for each in (header, claims))


def _encoded(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()
