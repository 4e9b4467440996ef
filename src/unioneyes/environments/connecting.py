"""Asking a server of `ue`: over plain HTTP, over TLS, and at its Unix socket."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path

import httpx

from unioneyes.environments.listening import SOCKET_SCHEME, ControlAddress
from unioneyes.kernel.problems import BadInput

_LAST_LINE = "-----END CERTIFICATE-----"


def connected(address: ControlAddress, *, timeout: httpx.Timeout, headers: Mapping[str, str] | None = None) -> httpx.Client:
    """Return a client of the server at `address`, which shows the token; it connects when it is asked. Raises: NoAuthorities."""
    socket = address.url.removeprefix(SOCKET_SCHEME) if address.url.startswith(SOCKET_SCHEME) else None
    return httpx.Client(
        base_url="http://localhost" if socket else address.url,
        headers={"Authorization": f"Bearer {address.token.get_secret_value()}", **(headers or {})},
        timeout=timeout,
        transport=httpx.HTTPTransport(uds=socket) if socket else None,
        verify=_trusted(address) if address.url.startswith("https:") else False,  # nothing is verified where nothing is encrypted
        trust_env=False,  # the token goes to the server, not to a proxy
    )


def _trusted(address: ControlAddress) -> ssl.SSLContext:
    """Return what tells the server from another one: its very certificate where that is at hand, else what an authority says of its name."""
    try:
        if address.certificate is None:
            return ssl.create_default_context(cafile=address.authorities)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.check_hostname = False  # by whichever name it is asked: no other certificate is taken, and this one's key is the server's
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.load_verify_locations(cadata=_first(address.certificate))
    except (OSError, ValueError) as error:
        told = (error.strerror if isinstance(error, OSError) else None) or "no certificates in PEM"
        raise NoAuthorities(
            what=f"{address.certificate or address.authorities} says nothing of whom to trust: {told}", remedy="name a readable PEM file"
        ) from None
    return context


def _first(chain: Path) -> str:
    own, found, _ = chain.read_text().partition(_LAST_LINE)
    return own + found


def is_distrusted(error: httpx.TransportError) -> bool:
    """Return whether the server answered, and its certificate is not one to trust."""
    return "CERTIFICATE_VERIFY_FAILED" in str(error)


class NoAuthorities(BadInput):
    """Nothing says which server's certificates are good."""
