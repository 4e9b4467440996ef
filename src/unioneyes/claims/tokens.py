"""Session tokens, as Clerk issues them (version 2): RS256, verified against the issuer's JWKS."""

from __future__ import annotations

import asyncio
import json
import logging
import time
import urllib.request
from collections.abc import Mapping
from datetime import timedelta
from http.client import HTTPException

import jwt
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from unioneyes.claims.logs import log
from unioneyes.claims.model import Identity, Role
from unioneyes.claims.problems import KeysUnavailable, TokenRefused

_logger = logging.getLogger(__name__)

_FETCH_TIMEOUT = timedelta(seconds=3)
_FRESH_FOR = timedelta(minutes=10)
_REFRESH_EVERY = timedelta(seconds=1)
"""At most this often: a flood of unknown key names must not become a flood of requests to the issuer."""
_CLOCK_SKEW = timedelta(seconds=5)
_SIGN_IN = "sign in again for a fresh session token"


class KeySet:
    """The issuer's public keys: fetched when first needed, refreshed in the background when old, and when a token names an unknown one."""

    def __init__(self, url: str) -> None:
        """Remember where the keys are."""
        self._url = url
        self._keys: Mapping[str, jwt.PyJWK] = {}
        self._fetched_at = -float("inf")
        self._tried_at = -float("inf")
        self._fetching: asyncio.Task[None] | None = None

    async def key(self, name: str) -> jwt.PyJWK:
        """Return the key called `name`. Raises: KeysUnavailable when no key is known at all, TokenRefused when there is none of that name."""
        if name not in self._keys:
            await self.refresh()
        elif not self.fresh:
            self._fetch_soon()
        if name in self._keys:
            return self._keys[name]
        if not self._keys:
            raise KeysUnavailable(what="the issuer's signing keys can't be had", remedy="try again in a moment; check the issuer's JWKS address")
        raise TokenRefused(what="the token is signed with a key that its issuer does not publish", remedy=_SIGN_IN, reason="unknown-key")

    async def refresh(self) -> None:
        """The keys are as the issuer publishes them now, or as they were when it does not answer or was asked a moment ago."""
        fetching = self._fetch_soon()
        if fetching is not None:
            await asyncio.shield(fetching)

    @property
    def fresh(self) -> bool:
        """True when the issuer answered not long ago."""
        return time.monotonic() - self._fetched_at < _FRESH_FOR.total_seconds()

    @property
    def known(self) -> int:
        """How many keys are known."""
        return len(self._keys)

    def _fetch_soon(self) -> asyncio.Task[None] | None:
        """Return the one fetch that is under way, a new one when it is time for it, or None."""
        if self._fetching is None and time.monotonic() - self._tried_at > _REFRESH_EVERY.total_seconds():
            self._fetching = asyncio.create_task(self._fetch())
        return self._fetching

    async def _fetch(self) -> None:
        try:
            self._keys = await asyncio.to_thread(_published_keys, self._url)
            self._fetched_at = time.monotonic()
        except (OSError, HTTPException, ValueError, jwt.PyJWTError) as error:
            log(_logger, logging.WARNING, "the issuer's signing keys can't be fetched", reason=type(error).__name__)
        finally:
            self._tried_at = time.monotonic()
            self._fetching = None


class TokenVerifier:
    """Says who a bearer token speaks for."""

    def __init__(self, keys: KeySet, *, issuer: str, party: str | None) -> None:
        """Accept tokens of `issuer`, made for `party` when that is given."""
        self._keys = keys
        self._issuer = issuer
        self._party = party

    async def identity(self, authorization: str | None) -> Identity:
        """Return the identity that an `Authorization` header proves. Raises: TokenRefused, KeysUnavailable."""
        kind, _, token = (authorization or "").partition(" ")
        if kind.lower() != "bearer" or not token:
            raise TokenRefused(what="no session token was sent", remedy="send Authorization: Bearer <session token>", reason="missing")
        try:
            key = await self._keys.key(str(jwt.get_unverified_header(token).get("kid", "")))
            claims = jwt.decode(
                token,
                key,
                algorithms=["RS256"],
                issuer=self._issuer,
                leeway=_CLOCK_SKEW,
                options={"require": ["sub", "sid", "iss", "iat", "nbf", "exp"], "verify_aud": False},
            )
            session = _Session.model_validate(claims)
        except jwt.ExpiredSignatureError as error:
            raise TokenRefused(what="the session token has expired", remedy=_SIGN_IN, reason="expired") from error
        except jwt.InvalidSignatureError as error:
            raise TokenRefused(what="the session token's signature is wrong", remedy=_SIGN_IN, reason="signature") from error
        except jwt.InvalidIssuerError as error:
            raise TokenRefused(what="the session token is another issuer's", remedy=_SIGN_IN, reason="issuer") from error
        except (jwt.PyJWTError, ValidationError) as error:
            raise TokenRefused(what="the session token is malformed", remedy=_SIGN_IN, reason="malformed") from error
        if self._party is not None and session.azp != self._party:
            raise TokenRefused(what="the session token was made for another application", remedy=_SIGN_IN, reason="party")
        if session.o is None:
            raise TokenRefused(what="the session has no active organization", remedy="choose an organization, then sign in", reason="organization")
        return Identity(
            user_id=session.sub,
            organization_id=session.o.id,
            organization_slug=session.o.slg,
            role=session.o.rol,
            name=session.name,
            email=session.email,
        )


class _Organization(BaseModel):
    model_config = ConfigDict(frozen=True)

    id: str
    slg: str
    rol: Role

    @field_validator("rol", mode="before")
    @classmethod
    def _as_ours(cls, value: str) -> str:
        """Clerk's built-in lowest role is our member."""
        return "member" if value == "basic_member" else value


class _Session(BaseModel):
    model_config = ConfigDict(frozen=True)

    sub: str
    sid: str
    name: str
    email: str
    azp: str | None = None
    o: _Organization | None = None


def _published_keys(url: str) -> Mapping[str, jwt.PyJWK]:
    with urllib.request.urlopen(url, timeout=_FETCH_TIMEOUT.total_seconds()) as answer:  # noqa: S310 - the settings take http and https only
        published = json.load(answer)
    return {key.key_id: key for key in jwt.PyJWKSet.from_dict(published).keys if key.key_id is not None}
