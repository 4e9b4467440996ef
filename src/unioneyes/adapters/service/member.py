"""A synthetic member: who the probes say that they are."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from threading import Lock

import httpx
from pydantic import BaseModel, SecretStr, ValidationError

from unioneyes.kernel.clock import now
from unioneyes.kernel.problems import Unavailable

LIFETIME = timedelta(hours=1)
REFRESH_BEFORE = timedelta(minutes=5)
"""A token is renewed this long before it ends, so that an issuer that is down for a moment fails no probe."""
TIME_LIMIT = httpx.Timeout(connect=1, write=1, pool=0, read=1)
"""Seconds."""


class _Token(BaseModel):
    token: SecretStr


class SyntheticMember:
    """A source of session tokens for the synthetic organization's steward. Safe to share between threads.

    It is the steward of the service's own smoke tests, who has signed in before the first probe is made.
    """

    def __init__(self, *, issuer_url: str) -> None:
        """Ask the issuer at `issuer_url` for tokens."""
        self._endpoint = f"{issuer_url.rstrip('/')}/token"
        self._lock = Lock()
        self._token: SecretStr | None = None
        self._renew_at: datetime | None = None

    def __call__(self) -> SecretStr:
        """Return a token that is valid for some minutes at least. Raises: TokenUnavailable."""
        with self._lock:
            moment = now()
            if self._token is None or self._renew_at is None or moment >= self._renew_at:
                self._token = self._ask()
                self._renew_at = moment + LIFETIME - REFRESH_BEFORE
            return self._token

    def _ask(self) -> SecretStr:
        request = {
            "subject": "user_synthetic_steward",
            "name": "Synthetic Steward",
            "email": "steward@synthetic.example.org",
            "organization": {"id": "org_synthetic_a", "slug": "synthetic-a"},
            "role": "steward",
            "lifetime_seconds": int(LIFETIME.total_seconds()),
        }
        try:
            answer = httpx.post(self._endpoint, json=request, timeout=TIME_LIMIT, trust_env=False)
            answer.raise_for_status()
            return _Token.model_validate(answer.json()).token
        except httpx.HTTPStatusError as error:
            reason = f"it answers {error.response.status_code}"
        except httpx.HTTPError as error:
            reason = type(error).__name__
        except (json.JSONDecodeError, ValidationError):
            reason = "its answer holds no token"
        # Raised outside the handlers: the answer that a validation error quotes may hold the token.
        raise TokenUnavailable(what=f"the issuer at {self._endpoint} gives no token: {reason}", remedy="look at the identity provider, then try again")


class TokenUnavailable(Unavailable):
    """The identity provider gives no session token at the moment."""
