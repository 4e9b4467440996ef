"""How people sign in: the identity provider that the settings name, and where it sends browsers back to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from unioneyes.environments import listening as control
from unioneyes.environments.listening import Listening, OnAddress, listening
from unioneyes.environments.secrets import resolve_at
from unioneyes.environments.setting_types import LOOPBACK
from unioneyes.environments.settings import EnvironmentSettings, SignInSettings
from unioneyes.kernel.problems import BadInput

if TYPE_CHECKING:
    from unioneyes.ports.identity import IdentityProvider

CALLBACK = "/login/callback"
"""Where the provider sends browsers back to."""
SIGNED_OUT = "/login"
"""And after a sign-out."""
_DEFAULT_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """A provider that signs people in, and what the pages say of it."""

    provider: IdentityProvider
    address: str
    """Where browsers begin and end a sign-in: this server's own, as it was configured."""
    contact: str
    """Whom somebody asks who does not come in."""
    roles_claim: str
    """What of the provider's says what somebody belongs to."""


def open_sign_in(settings: SignInSettings | None, at: Listening) -> SignIn | None:
    """Return how people sign in, if the settings say so; the provider is not asked yet. Raises: SecretUnresolved, NoWayBack."""
    if settings is None:
        return None
    from unioneyes.adapters.oidc import Client, OpenIdProvider, Reading  # noqa: PLC0415 - who signs nobody in pays nothing for it

    way_back = own_address(settings, at)
    secret = resolve_at("sign_in.client_secret", settings.client_secret) if settings.client_secret else None
    client = Client(
        client_id=settings.client_id,
        secret=secret,
        redirect_uri=f"{way_back}{CALLBACK}",
        signed_out_uri=f"{way_back}{SIGNED_OUT}",
        scopes=tuple(settings.scopes),
    )
    reading = Reading(
        name_claim=settings.name_claim,
        roles_claim=settings.roles_claim,
        roles={group: frozenset(roles) for group, roles in settings.roles.items()},
    )
    return SignIn(
        provider=OpenIdProvider(settings.issuer, client, reading),
        address=way_back,
        contact=settings.contact,
        roles_claim=settings.roles_claim,
    )


def own_address(settings: SignInSettings, at: Listening) -> str:
    """Return where browsers reach this server, as it was configured: nothing that a request says counts. Raises: NoWayBack."""
    url = settings.url or (at.url if isinstance(at, OnAddress) else None)
    if url is None:
        raise NoWayBack(what="browsers reach no Unix socket, so the identity provider can't send them back", remedy="give [sign_in] url: https://NAME")
    parts = urlsplit(url)
    host = parts.hostname or ""
    if host not in {*LOOPBACK, *(name.strip("[]") for name in at.names)}:
        raise NoWayBack(
            what=f"the server answers to no request that names {host}, which [sign_in] url does", remedy=f'give it this name: [control] name = "{host}"'
        )
    if parts.scheme == "http" and host not in LOOPBACK:
        raise NoWayBack(
            what=f"browsers would come back to {url} in clear text", remedy="give [control] tls_certificate and tls_key, or [sign_in] url: https://NAME"
        )
    named = f"[{host}]" if ":" in host else host
    port = "" if parts.port in {None, _DEFAULT_PORTS[parts.scheme]} else f":{parts.port}"
    return f"{parts.scheme}://{named}{port}"


def require_usable(settings: EnvironmentSettings) -> None:
    """Return when a supervised server could be started as the settings say. Raises: KeyExposed, CertificateUnusable, SecretUnresolved, NoWayBack."""
    control.require_usable(settings.control)
    open_sign_in(settings.sign_in, listening(settings.control, port=settings.control.port or 1))


class NoWayBack(BadInput):
    """The identity provider could not send anybody back to this server."""
