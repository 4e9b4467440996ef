"""Where the server of `ue` listens, and how it is reached there: on loopback, with TLS, or at a Unix socket."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from pathlib import Path

from pydantic import SecretStr

from unioneyes.environments.settings import ControlSettings
from unioneyes.kernel.files import exposed, in_memory
from unioneyes.kernel.problems import Refused
from unioneyes.ports.secrets import SCHEME, SecretReference

SOCKET_SCHEME = "http+unix://"
CHAT_HOOK = "/hooks/slack"
"""Where the chat tells the server what people do with its messages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlAddress:
    """Where the environment's server listens, the token that opens it, and what tells it from another one."""

    url: str
    """`http://`, `https://`, or `http+unix://` before the path of its socket."""
    token: SecretStr
    certificate: Path | None = None
    """PEM: under TLS, the certificate that the server shows, and no other."""
    authorities: Path | None = None
    """PEM: where the certificate is not at hand, those who may vouch for it; None: whom this machine trusts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """By which the server is known under TLS."""

    chain: Path
    """PEM: its own certificate first."""
    key: Path | SecretReference


@dataclass(frozen=True, slots=True, kw_only=True)
class OnAddress:
    """On an address of this machine; the settings let none but loopback be without a certificate."""

    host: str
    port: int
    certificate: Certificate | None = None
    name: str | None = None
    """The host name by which browsers reach it."""

    @property
    def url(self) -> str:
        """What a person types into a browser."""
        return self._url(self.name or self.reached)

    @property
    def reached(self) -> str:
        """The address by which this machine itself reaches it."""
        address = ip_address(self.host)
        if address.is_unspecified:
            return "127.0.0.1" if address.version == 4 else "[::1]"  # noqa: PLR2004 - IPv4
        return f"[{address}]" if address.version == 6 else str(address)  # noqa: PLR2004 - IPv6

    def address(self, token: SecretStr) -> ControlAddress:
        """Return how a program on this machine reaches it, by its own address and certificate, whatever it is called."""
        return ControlAddress(url=self._url(self.reached), token=token, certificate=self.certificate.chain if self.certificate else None)

    @property
    def names(self) -> frozenset[str]:
        """Host names by which requests may name it, beside those of loopback."""
        return frozenset({self.reached, *([self.name] if self.name else [])})

    def _url(self, host: str) -> str:
        return f"{'https' if self.certificate else 'http'}://{host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AtSocket:
    """At a Unix socket, and on no address."""

    path: Path
    group: str | None = None
    """Who may use it too; without it, only the server's user may."""
    name: str | None = None
    """The host name by which browsers reach what stands before it."""

    @property
    def url(self) -> str:
        """What `UE_URL` may be."""
        return f"{SOCKET_SCHEME}{self.path}"

    def address(self, token: SecretStr) -> ControlAddress:
        """Return how a program on this machine reaches it."""
        return ControlAddress(url=self.url, token=token)

    @property
    def names(self) -> frozenset[str]:
        """Host names by which requests may name it, beside those of loopback."""
        return frozenset({self.name} if self.name else ())


Listening = OnAddress | AtSocket


def listening(settings: ControlSettings, port: int) -> Listening:
    """Return where the settings let the server listen; `port` was settled for it. Opens nothing."""
    if settings.socket:
        return AtSocket(path=Path(settings.socket).expanduser(), group=settings.socket_group, name=settings.name)
    chain, key = settings.tls_certificate, settings.tls_key
    certificate = Certificate(chain=Path(chain).expanduser(), key=_place(key)) if chain and key else None
    return OnAddress(host=settings.host, port=port, certificate=certificate, name=settings.name)


def require_usable(settings: ControlSettings) -> None:
    """Return when a server could be started with the certificate that the settings name, if any. Raises: KeyExposed, CertificateUnusable, SecretUnresolved."""
    at = listening(settings, port=0)
    if isinstance(at, OnAddress) and at.certificate:
        server_context(at.certificate)


def server_context(certificate: Certificate) -> ssl.SSLContext:
    """Return what a server speaks TLS with. Raises: KeyExposed, CertificateUnusable, SecretUnresolved."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # a system's own settings may allow older ones
    load_certificate(context, certificate)
    return context


def load_certificate(context: ssl.SSLContext, certificate: Certificate) -> None:
    """New connections are shown the certificate; its key is read now. Raises: KeyExposed, CertificateUnusable, SecretUnresolved."""
    try:
        with _key_file(certificate.key) as key:
            context.load_cert_chain(certificate.chain, key, password=_no_password)
    except ssl.SSLError as error:
        raise CertificateUnusable(
            what=f"{certificate.chain} and {certificate.key} can't be used: {error.reason or 'no PEM'}",
            remedy="both are PEM, the key without a password and the one that the first certificate was made for",
        ) from None
    except OSError as error:
        raise CertificateUnusable(
            what=f"{error.filename or certificate.chain} can't be read: {error.strerror}", remedy="correct tls_certificate and tls_key in environment.toml"
        ) from None


def not_after(certificate: Certificate) -> datetime:
    """Return when the server's own certificate ends. Raises: OSError, ValueError; neither, where `server_context` took it."""
    from cryptography.x509 import load_pem_x509_certificate  # noqa: PLC0415 - no command on the way to a server needs it

    return load_pem_x509_certificate(certificate.chain.read_bytes()).not_valid_after_utc


def _place(key: str) -> Path | SecretReference:
    return SecretReference.parse(key) if key.startswith(SCHEME) else Path(key).expanduser()


@contextmanager
def _key_file(key: Path | SecretReference) -> Iterator[Path]:
    """Give the file that holds the key: its own, which is private; or one in memory alone."""
    if isinstance(key, Path):
        _require_private(key)
        yield key
        return
    from unioneyes.environments.secrets import resolve_at  # noqa: PLC0415 - only a server with such a key pays for it

    with in_memory(resolve_at("control.tls_key", key).get_secret_value().encode()) as file:
        yield file


def _require_private(key: Path) -> None:
    if how := exposed(key.stat()):
        raise KeyExposed(
            what=f"{key} can be read or changed by others: {how}",
            remedy=f"chmod 0600 {key}, and let it belong to the server's user; take a new key where others may have read it",
        )


def _no_password() -> str:
    """Return none: a server that asks for one at its start waits for ever."""
    return ""


class KeyExposed(Refused):
    """The private key may not be one."""


class CertificateUnusable(Refused):
    """There is no certificate, or none that belongs to the key."""
