"""Sign-ins that are under way: bound to the browser that began them, and kept by no server. Pure."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from pydantic import SecretStr

from unioneyes.ports.identity import Attempt

LASTS = timedelta(minutes=10)
"""How long somebody has at the provider: to find a second factor."""
_BYTES = 32
_LONGEST = 500
"""Characters of a page's address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A sign-in that this browser began."""

    kept: str
    """What the browser keeps of it: it tells nothing of what the provider is shown."""
    attempt: Attempt
    wants: str
    """The page that the person wanted to see."""


def begin(wants: str, key: SecretStr, moment: datetime) -> Begun:
    """Return a new sign-in. It ends by itself."""
    said = f"{int((moment + LASTS).timestamp())}.{secrets.token_urlsafe(_BYTES)}.{urlsafe_b64encode(own_page(wants).encode()).decode()}"
    return _begun(said, key)


def begun(kept: str, key: SecretStr, moment: datetime) -> Begun | None:
    """Return the sign-in that the browser keeps; None when no server with this key began it, or it took too long."""
    said, _, seal = kept.rpartition(".")
    if not hmac.compare_digest(seal.encode(), _of("seal", said, key).encode()):
        return None
    return _begun(said, key) if int(said.partition(".")[0]) > moment.timestamp() else None


def _begun(said: str, key: SecretStr) -> Begun:
    attempt = Attempt(state=_of("state", said, key), nonce=_of("nonce", said, key), verifier=_of("verifier", said, key))
    wants = urlsafe_b64decode(said.rpartition(".")[2]).decode()
    return Begun(kept=f"{said}.{_of('seal', said, key)}", attempt=attempt, wants=wants)


def own_page(wants: str) -> str:
    """Return the path of a page of ours; the first page in the place of anything else."""
    parts = urlsplit(wants)
    own = wants.startswith("/") and not wants.startswith("//") and "\\" not in wants and wants.isprintable() and not (parts.scheme or parts.netloc)
    return wants if own and len(wants) <= _LONGEST and not parts.path.startswith(("/login", "/logout")) else "/"


def _of(purpose: str, said: str, key: SecretStr) -> str:
    return hmac.new(key.get_secret_value().encode(), f"console-sign-in {purpose} {said}".encode(), hashlib.sha256).hexdigest()
