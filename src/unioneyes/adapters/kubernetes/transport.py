"""How requests reach the API server: within a time, as who we are now, and again where that is safe."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from datetime import timedelta
from http import HTTPStatus
from threading import Lock

import httpx2

from unioneyes.adapters.kubernetes.access import Access
from unioneyes.kernel.cancelling import sleep

time_limit: ContextVar[timedelta] = ContextVar("time_limit", default=timedelta(seconds=10))
"""For one call, all that it is tried again included. Set by whoever calls for less, or for more."""
STREAMED = "streamed"
"""The extension of a request whose answer lasts, and that brings its own limits: in seconds, how long it is tried to begin it."""
CONNECT_WITHIN = 3.0
"""Seconds."""
_PAUSES = (0.05, 0.1, 0.2, 0.5, 1.0)
"""Seconds before the second try, the third, ...; the last from then on."""
_BUSY = frozenset({HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT})
_UPGRADE = "upgrade"
_PROXIED = "/proxy/"
"""In the path of what is passed on to a pod: its answers are its own, and asking twice is for whoever asks."""


class Transport(httpx2.BaseTransport):
    """Sends a request again that was not carried out for certain (no connection; 429), or that only reads (5xx, a cut connection); others once.

    A refused credential is read anew once: the kubelet renews a service account's token, and people sign in again.
    """

    def __init__(self, access: Callable[[], Access]) -> None:
        """Reach the API server as `access` says at the first request, and whenever it does not know us any more. Raises: NoAccess, as `access` does."""
        self._access = access
        self._lock = Lock()
        self._now = access()
        self._inner = httpx2.HTTPTransport(verify=self._now.context)

    @property
    def server(self) -> str:
        """Its address."""
        return self._now.server

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send it. Raises: httpx2.TransportError."""
        streamed = request.extensions.get(STREAMED)
        until = time.monotonic() + (streamed if isinstance(streamed, float) else time_limit.get().total_seconds())
        renewed, tries = False, 0
        while True:
            used = self._now
            try:
                response = self._try(request, until)
            except _TryAgain as again:
                pause = max(again.pause, _PAUSES[min(tries, len(_PAUSES) - 1)])
                if time.monotonic() + pause >= until:
                    raise again.error from None
            else:
                if response.status_code == HTTPStatus.UNAUTHORIZED and not renewed:
                    renewed = True
                    response.close()
                    self._renew(used)
                    continue
                return response
            tries += 1
            sleep(pause)

    def close(self) -> None:
        """Every connection is closed."""
        self._inner.close()

    def _try(self, request: httpx2.Request, until: float) -> httpx2.Response:
        """Send it once. Raises: _TryAgain where that is safe; httpx2.TransportError."""
        left = until - time.monotonic()
        if self._now.token:
            request.headers["Authorization"] = f"Bearer {self._now.token.get_secret_value()}"
        streamed = STREAMED in request.extensions
        if not streamed:
            request.extensions = {**request.extensions, "timeout": {"connect": min(CONNECT_WITHIN, left), "read": left, "write": left, "pool": left}}
        safe = request.method == "GET" and _PROXIED not in request.url.path and _UPGRADE not in request.headers
        try:
            response = self._inner.handle_request(request)
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise
            raise _TryAgain(error) from None
        except (httpx2.ReadError, httpx2.RemoteProtocolError, httpx2.WriteError) as error:
            if not safe:
                raise
            raise _TryAgain(error) from None
        busy = response.status_code == HTTPStatus.TOO_MANY_REQUESTS and _PROXIED not in request.url.path
        wait = _wait(response) if busy else _PAUSES[0]
        if (busy or (safe and response.status_code in _BUSY)) and time.monotonic() + wait < until:
            response.close()
            raise _TryAgain(httpx2.ReadTimeout(f"it answers {response.status_code}, again and again", request=request), wait)
        if _UPGRADE in request.headers and response.is_error:
            response.read()  # whoever asked for a web socket closes it unread
        if not streamed and response.status_code != HTTPStatus.SWITCHING_PROTOCOLS and isinstance(response.stream, httpx2.SyncByteStream):
            response.stream = _Bounded(response.stream, until)
        return response

    def _renew(self, used: Access) -> None:
        """The credentials are those of now. Raises: NoAccess."""
        with self._lock:
            if self._now is used:
                self._now = self._access()
                self._inner = httpx2.HTTPTransport(verify=self._now.context)


class _TryAgain(Exception):  # noqa: N818 - it is caught by whoever sends again
    """The same request may be sent again, after a pause (seconds)."""

    def __init__(self, error: httpx2.TransportError, pause: float = 0.0) -> None:
        super().__init__()
        self.error, self.pause = error, pause


class _Bounded(httpx2.SyncByteStream):
    """An answer that ends in time, or with httpx2.ReadTimeout, however slowly it comes."""

    def __init__(self, inner: httpx2.SyncByteStream, until: float) -> None:
        self._inner = inner
        self._until = until

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._inner:
            if time.monotonic() > self._until:
                raise httpx2.ReadTimeout("the answer comes too slowly")
            yield piece

    def close(self) -> None:
        self._inner.close()


def _wait(response: httpx2.Response) -> float:
    """Return for how long the server asks to wait, in seconds; a second, where it says nothing that can be read."""
    said = response.headers.get("Retry-After", "")
    return float(said) if said.isdigit() and int(said) > 0 else 1.0
