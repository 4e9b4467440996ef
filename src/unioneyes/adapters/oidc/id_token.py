"""Whether a signed identity is the provider's, for us, for this sign-in, and still good. Source: OpenID Connect Core 1.0, 3.1.3.7."""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64encode
from collections.abc import Callable
from datetime import timedelta

import jwt
from pydantic import JsonValue, TypeAdapter

from unioneyes.ports.identity import IdentityRefused

CLOCKS_DIFFER = timedelta(seconds=30)
"""By how much the provider's clock may be another one than ours."""
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""What is believed: signatures by a key of which we have the public half. No `none`, and no HMAC. Source: RFC 8725, 3.1."""
_REQUIRED = ("iss", "sub", "aud", "exp", "iat", "nonce")
_HASHES = {"256": hashlib.sha256, "384": hashlib.sha384, "512": hashlib.sha512}

Claims = dict[str, JsonValue]
_CLAIMS: TypeAdapter[Claims] = TypeAdapter(dict[str, JsonValue])


def verified(
    token: str, *, issuer: str, client_id: str, nonce: str, access_token: str | None, offered: list[str], key: Callable[[str | None], jwt.PyJWK]
) -> Claims:
    """Return what the token says. `offered` are the provider's algorithms; `key` finds its key by name. Raises: IdentityRefused, and what `key` raises."""
    algorithms = [each for each in ALGORITHMS if each in offered]
    try:
        header = jwt.get_unverified_header(token)
        if header.get("alg") not in algorithms:
            raise _refused(f"it is signed by {str(header.get('alg'))[:20]!r}, and only {', '.join(algorithms) or 'nothing'} is taken")
        found = key(header.get("kid"))
        claims = _CLAIMS.validate_python(
            jwt.decode(
                token,
                key=found.key,
                algorithms=algorithms,
                audience=client_id,
                issuer=issuer,
                leeway=CLOCKS_DIFFER,
                options={"require": [*_REQUIRED]},
            )
        )
    except (jwt.PyJWTError, ValueError) as error:
        raise _refused(str(error)) from None
    _require_ours(claims, client_id=client_id, nonce=nonce)
    if access_token is not None and "at_hash" in claims and not hmac.compare_digest(str(claims["at_hash"]).encode(), _half_hash(access_token, header["alg"])):
        raise _refused("it belongs to another access token")
    return claims


def _require_ours(claims: Claims, *, client_id: str, nonce: str) -> None:
    if not hmac.compare_digest(str(claims["nonce"]).encode(), nonce.encode()):
        raise _refused("it was made for another sign-in")
    party, audience = claims.get("azp"), claims["aud"]
    if party is None and isinstance(audience, list) and len(audience) > 1:
        raise _refused("it is for several, and does not say to whom it was given")
    if party is not None and party != client_id:
        raise _refused(f"it was given to {str(party)[:80]!r}")
    if not isinstance(claims["sub"], str) or not claims["sub"]:
        raise _refused("it names nobody")


def _half_hash(access_token: str, algorithm: str) -> bytes:
    """Return the left half of the token's hash, as `at_hash` has it. Source: OpenID Connect Core 1.0, 3.1.3.6."""
    digest = _HASHES.get(algorithm[-3:], hashlib.sha512)(access_token.encode()).digest()  # EdDSA: Ed25519 hashes with SHA-512
    return urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=")


def _refused(why: str) -> IdentityRefused:
    return IdentityRefused(
        what=f"what the identity provider sent does not prove who you are: {why}",
        remedy="sign in once more; where it says the same again, tell an administrator of this server",
    )
