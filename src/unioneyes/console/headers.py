"""What every answer carries, so that a browser does no more with it than our own pages need."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders

LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "permissions-policy": (
        "accelerometer=(), autoplay=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), hid=(), magnetometer=(), microphone=(), "
        "midi=(), payment=(), publickey-credentials-get=(), screen-wake-lock=(), serial=(), usb=(), xr-spatial-tracking=()"
    ),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
_TLS_ONLY = "max-age=31536000"
"""A year, for this name alone: what stands beside it may have reasons of its own."""


def secure(headers: MutableHeaders, *, scheme: str, host: str) -> None:
    """The answer to a request for `host` carries its security headers; no cache keeps it, unless it says itself that one may.

    Under TLS, browsers come by nothing else from then on (HSTS, RFC 6797), but for the names of this machine, which it shares with other servers.
    """
    for name, value in _HEADERS.items():
        headers[name] = value
    headers.setdefault("cache-control", "no-store")
    if scheme == "https" and host not in LOOPBACK_NAMES:
        headers["strict-transport-security"] = _TLS_ONLY
