"""An issuer of session tokens, as Clerk issues them: RS256, version 2 of the claims, a JWKS to verify them with.

It hands a token to whoever asks, so it stands on loopback only and never beside members' data.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from base64 import urlsafe_b64encode
from datetime import UTC, timedelta
from pathlib import Path

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from unioneyes.kernel.clock import now

KEY_BITS = 2048
"""Size of the RSA key. Source: RFC 7518, 3.3, the least that RS256 allows."""
LIFETIME = timedelta(hours=1)
"""How long a token is valid when the request does not say. Clerk's own is 60 s, refreshed by the browser; our clients have none."""
LONGEST_LIFETIME = timedelta(days=7)


class Organization(BaseModel):
    """The organization that the member is signed in to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1)
    slug: str = Field(min_length=1)


class TokenRequest(BaseModel):
    """Whom a token is for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    subject: str = Field(min_length=1)
    name: str = Field(min_length=1)
    email: str = Field(min_length=3)
    organization: Organization
    role: str = Field(min_length=1)
    lifetime_seconds: int = Field(default=int(LIFETIME.total_seconds()), gt=0, le=int(LONGEST_LIFETIME.total_seconds()))


class Issuer:
    """Signs tokens with a key that survives a restart, so that tokens do too."""

    def __init__(self, *, url: str, key: rsa.RSAPrivateKey) -> None:
        """Sign with `key` as the issuer that stands at `url`."""
        self._url = url
        self._key = key
        public: dict[str, str] = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
        self._public = {name: public[name] for name in ("e", "kty", "n")}
        self._key_id = _thumbprint(self._public)

    @classmethod
    def open(cls, folder: Path, *, url: str) -> Issuer:
        """Return the issuer whose key stands in `folder`; makes the key when there is none."""
        path = folder / "identity-key.pem"
        if not path.exists():
            _write_key(path)
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
        if not isinstance(key, rsa.RSAPrivateKey):
            message = f"{path} holds no RSA key"
            raise TypeError(message)
        return cls(url=url, key=key)

    def token(self, request: TokenRequest) -> str:
        """Return a signed session token. Source: Clerk, "Session tokens", version 2, default claims."""
        issued = now().astimezone(UTC)
        claims = {
            "iss": self._url,
            "sub": request.subject,
            "sid": f"sess_{secrets.token_hex(12)}",
            "jti": secrets.token_hex(10),
            "iat": issued,
            "nbf": issued - timedelta(seconds=5),
            "exp": issued + timedelta(seconds=request.lifetime_seconds),
            "azp": self._url,
            "v": 2,
            "sts": "active",
            "o": {"id": request.organization.id, "slg": request.organization.slug, "rol": request.role},
            "name": request.name,
            "email": request.email,
        }
        return jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": self._key_id})

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """Return the public key, as verifiers fetch it."""
        return {"keys": [{**self._public, "use": "sig", "alg": "RS256", "kid": self._key_id}]}

    def routes(self) -> list[Route]:
        """Return the HTTP surface, to be mounted at the path of the issuer's URL."""
        return [
            Route("/.well-known/jwks.json", self._get_jwks, methods=["GET"]),
            Route("/.well-known/openid-configuration", self._get_configuration, methods=["GET"]),
            Route("/token", self._post_token, methods=["POST"]),
        ]

    async def _get_jwks(self, _: Request) -> Response:
        return JSONResponse(self.jwks())

    async def _get_configuration(self, _: Request) -> Response:
        return JSONResponse(
            {
                "issuer": self._url,
                "jwks_uri": f"{self._url}/.well-known/jwks.json",
                "token_endpoint": f"{self._url}/token",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
            },
        )

    async def _post_token(self, request: Request) -> Response:
        try:
            wanted = TokenRequest.model_validate_json(await request.body())
        except ValidationError as error:
            problems = [{"code": fault["type"], "message": fault["msg"], "meta": {"param": ".".join(map(str, fault["loc"]))}} for fault in error.errors()]
            return JSONResponse({"errors": problems}, status_code=422)
        return JSONResponse({"token": self.token(wanted)})


def _thumbprint(public: dict[str, str]) -> str:
    """Return the key's identifier. Source: RFC 7638."""
    canonical = json.dumps(public, sort_keys=True, separators=(",", ":")).encode()
    return urlsafe_b64encode(hashlib.sha256(canonical).digest()).rstrip(b"=").decode()


def _write_key(path: Path) -> None:
    """A fresh key stands at `path`, readable by its owner only, whole or not at all."""
    pem = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = path.with_suffix(f".{secrets.token_hex(4)}")
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:  # noqa: PTH123 - Path.open takes no mode bits
        file.write(pem)
    partial.replace(path)
