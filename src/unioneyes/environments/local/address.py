"""Where the embedded stack's server listens. Reads three small files, so that every command starts fast; a token by reference takes as long as its provider."""

from __future__ import annotations

from pathlib import Path

from unioneyes.environments.listening import ControlAddress, listening
from unioneyes.environments.local.layout import Layout
from unioneyes.environments.local.ports import known_ports, read_ports
from unioneyes.environments.local.secrets import read_api_token
from unioneyes.environments.settings import read_settings
from unioneyes.kernel.problems import NotAuthorised, Refused


def control_address(home: Path) -> ControlAddress:
    """Return the server's address and token. Raises: NeverStarted, NotYours, SettingsRefused."""
    layout = Layout(home)
    try:
        read_ports(layout.ports)  # before the settings: whose folder it is comes first
        settings = read_settings(layout.settings)
        ports = known_ports(layout.ports, settings)
        token = read_api_token(layout.secrets, settings.secrets)
        if ports is None or token is None:
            raise NeverStarted.served(home) if settings.elsewhere else NeverStarted.at(home)
        return listening(settings.control, ports.control).address(token)
    except PermissionError:
        raise NotYours.at(home) from None


class NeverStarted(Refused):
    """There is no embedded stack in this folder yet."""

    @classmethod
    def at(cls, home: Path) -> NeverStarted:
        """Return the problem for `home`."""
        return cls(what=f"there is no embedded stack in {home} yet", remedy="ue env up")

    @classmethod
    def served(cls, home: Path) -> NeverStarted:
        """Return the problem for `home`, of an environment whose databases are elsewhere."""
        return cls(what=f"the server of the environment in {home} was never started", remedy="ue serve; or, where it runs on another machine: UE_URL, UE_TOKEN")


class NotYours(NotAuthorised):
    """The embedded stack is another user's, who alone can read its folder."""

    @classmethod
    def at(cls, home: Path) -> NotYours:
        """Return the problem for `home`."""
        return cls(
            what=f"{home} can be read by its owner only",
            remedy="ask them for a token and for the server's address, and set both: UE_TOKEN, UE_URL=http://127.0.0.1:PORT; or run ue as that user",
        )
