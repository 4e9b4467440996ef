"""The provider's keys, which it changes at times, and the identities that it signs."""

from __future__ import annotations

import secrets
from datetime import timedelta

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm
from pydantic import JsonValue

from unioneyes.kernel.clock import now
from unioneyes.simulators.oidc.lies import CHANGED, Lie, by_hmac, unsigned

LIFETIME = timedelta(minutes=5)
ALGORITHM = "RS256"
_BITS = 2048


class Keys:
    """One that signs, and those before it that still verify."""

    def __init__(self) -> None:
        """Make the first one."""
        self._all: list[tuple[str, rsa.RSAPrivateKey]] = []
        self.rotate()

    def rotate(self) -> None:
        """Sign by a new key from now on; the last one is shown for a while."""
        self._all = [*self._all[-1:], (secrets.token_hex(8), _new())]

    def public(self) -> list[dict[str, JsonValue]]:
        """Return the key set, as verifiers fetch it."""
        shown: list[dict[str, JsonValue]] = []
        for name, key in self._all:
            public: dict[str, JsonValue] = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
            shown.append({"kty": "RSA", "e": public["e"], "n": public["n"], "use": "sig", "alg": ALGORITHM, "kid": name})
        return shown

    def signed(self, claims: dict[str, JsonValue], lie: Lie | None, secret: str | None) -> str:
        """Return the claims as a token; a lie is signed as it would be."""
        name, key = self._all[-1]
        claims = {claim: value for claim, value in {**claims, **CHANGED.get(lie, {})}.items() if value is not None} if lie else claims
        match lie:
            case Lie.ALG_NONE:
                return unsigned(claims)
            case Lie.HS256_WITH_THE_PUBLIC_KEY:
                return by_hmac(claims, key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo), name)
            case Lie.HS256_WITH_THE_SECRET:
                return by_hmac(claims, (secret or "").encode(), name)
            case Lie.UNKNOWN_KEY:
                return jwt.encode(claims, _new(), algorithm=ALGORITHM, headers={"kid": "nobody-s"})
            case Lie.FORGED:
                return jwt.encode(claims, _new(), algorithm=ALGORITHM, headers={"kid": name})
            case _:
                return jwt.encode(claims, key, algorithm=ALGORITHM, headers={"kid": name})


def identity(*, issuer: str, client_id: str, subject: str, nonce: str, lie: Lie | None) -> dict[str, JsonValue]:
    """Return what every signed identity says. Source: OpenID Connect Core 1.0, 2."""
    moved = {Lie.EXPIRED: -timedelta(hours=1), Lie.FROM_THE_FUTURE: timedelta(hours=1)}.get(lie, timedelta(0)) if lie else timedelta(0)
    issued = int((now() + moved).timestamp())
    ends = issued + int(LIFETIME.total_seconds())
    claims: dict[str, JsonValue] = {"iss": issuer, "sub": subject, "aud": client_id, "iat": issued, "exp": ends, "nonce": nonce}
    if lie in {Lie.OTHER_PARTY, Lie.MANY_AUDIENCES}:
        claims["aud"] = [client_id, "another-client"]
    if lie is Lie.OTHER_PARTY:
        claims["azp"] = "another-client"
    return claims


def _new() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=_BITS)
