"""Whether a request that would change something comes from one of our own pages, and not from another page in the same browser (CSRF)."""

from __future__ import annotations

import hashlib
import hmac
from typing import ClassVar
from urllib.parse import urlsplit

from pydantic import SecretStr
from starlette.datastructures import Headers

from unioneyes.kernel.problems import NotAuthorised

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
"""Those that change nothing. Source: RFC 9110, 9.2.1."""
PAGE_TOKEN = "X-CSRF-Token"  # noqa: S105 - the header that carries it
"""Our pages send with it what they alone could read: their token."""


def is_bearer(headers: Headers) -> bool:
    """Return whether the request shows a token itself: no page can make a browser do so for another one."""
    return headers.get("authorization", "").partition(" ")[0].lower() == "bearer"


def is_foreign(headers: Headers) -> bool:
    """Return whether the browser says that another site's page sends this: another port of the same machine is another one.

    Our own forms come with the origin `null`, for our pages send no referrer (Fetch, "append a request Origin header"): there, `Sec-Fetch-Site` says more.
    """
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if origin is not None and origin != "null" and not _is_of_host(origin, headers):
        return True
    return origin == "null" if site is None else site not in {"none", "same-origin"}


def page_token(session: str, key: SecretStr) -> str:
    """Return what a page that is shown in `session` sends along with its changes. Nobody without the key can make one, and it opens nothing by itself."""
    return hmac.new(key.get_secret_value().encode(), f"console-page {session}".encode(), hashlib.sha256).hexdigest()


def require_own_page(headers: Headers, session: str, key: SecretStr) -> None:
    """Return when the browser says that one of our own pages sends this, and its token is that of the session. Raises: ForgedRequest."""
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    own = site == "same-origin" or (site is None and origin is not None)
    if not own or is_foreign(headers):
        raise ForgedRequest.now()
    if not hmac.compare_digest(headers.get(PAGE_TOKEN, "").encode(), page_token(session, key).encode()):
        raise ForgedRequest(
            what="the page that sends this is not one of this session", remedy="load the page again; programs send `Authorization: Bearer TOKEN`"
        )


def _is_of_host(origin: str, headers: Headers) -> bool:
    try:
        return urlsplit(origin).netloc.lower() == headers.get("host", "").lower() != ""
    except ValueError:
        return False


class ForgedRequest(NotAuthorised):
    """A browser sends what no page of ours asked it to."""

    http_status: ClassVar[int] = 403

    @classmethod
    def now(cls) -> ForgedRequest:
        """Return the problem of a request from elsewhere."""
        return cls(
            what="a change in the console must come from one of its own pages, and the browser does not say so",
            remedy="open the console itself, and do it there; programs send `Authorization: Bearer TOKEN`",
        )
