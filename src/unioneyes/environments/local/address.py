"""Where the embedded stack's server listens. Reads two small files, so that every command starts fast."""

from __future__ import annotations

from pathlib import Path

from pydantic import SecretStr

from unioneyes.environments.local.layout import Layout
from unioneyes.environments.local.ports import HOST, read_ports
from unioneyes.environments.local.secrets import secret_file
from unioneyes.environments.model import ControlAddress
from unioneyes.kernel.problems import Refused


def control_address(home: Path) -> ControlAddress:
    """Return the server's address and token. Raises: NeverStarted."""
    layout = Layout(home)
    ports = read_ports(layout.ports)
    token = secret_file(layout.secrets, "api_token")
    if ports is None or not token.exists():
        raise NeverStarted.at(home)
    return ControlAddress(url=f"http://{HOST}:{ports.control}", token=SecretStr(token.read_text()))


class NeverStarted(Refused):
    """There is no embedded stack in this folder yet."""

    @classmethod
    def at(cls, home: Path) -> NeverStarted:
        """Return the problem for `home`."""
        return cls(what=f"there is no embedded stack in {home} yet", remedy="ue env up")
