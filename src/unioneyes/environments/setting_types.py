"""What the environment's file may hold at one place: texts, addresses, durations, secrets by reference."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import ip_address, ip_network
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from unioneyes.kernel.problems import BadInput
from unioneyes.kernel.units import parse_duration
from unioneyes.ports.secrets import SCHEME, BadReference, SecretReference

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def _duration(value: object) -> timedelta:
    if not isinstance(value, str):
        message = "a duration is written as text: 90s, 10m, 1h30m"
        raise ValueError(message)  # noqa: TRY004 - pydantic reports a ValueError with its place
    try:
        duration = parse_duration(value)
    except BadInput as problem:
        raise ValueError(str(problem)) from None
    if not duration:
        message = "a duration is longer than nothing"
        raise ValueError(message)
    return duration


def as_address(host: str) -> str:
    """Return the address. Raises: ValueError, where it is a name."""
    return str(ip_address(host))


def as_network(network: str) -> str:
    """Return the network; a single address is one. Raises: ValueError."""
    return str(ip_network(network))


def _web_address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"https", "http"} or not parts.hostname or parts.username or parts.query or parts.fragment:
        message = "an address is written as https://NAME, with nothing after its path"
        raise ValueError(message)
    return require_encrypted(url)


def require_encrypted(url: str) -> str:
    """Return the address. Raises: ValueError, where what goes to another machine would go there in clear text."""
    parts = urlsplit(url)
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        message = f"what nobody else may read or change would go to {parts.hostname} in clear text: https, but for an address on this machine"
        raise ValueError(message)
    return url


def _reference(value: object) -> object:
    """Return what the text refers to. What is none is not repeated: it may be the secret itself."""
    if isinstance(value, SecretReference):
        return value
    try:
        return SecretReference.parse(value if isinstance(value, str) else "")
    except BadReference as problem:
        message = f"{problem.remedy}; a secret itself may not stand here"
        raise ValueError(message) from None


def _place(value: str) -> str:
    if value.startswith(SCHEME):
        _reference(value)
    return value


Duration = Annotated[timedelta, BeforeValidator(_duration)]
Port = Annotated[int, Field(ge=1, le=65535)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
WebAddress = Annotated[str, AfterValidator(_web_address)]
HttpAddress = Annotated[str, StringConstraints(pattern=r"^https?://[^/\s]+$")]
HostName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$", max_length=253)]
UrlPath = Annotated[str, StringConstraints(pattern=r"^/[^\s#]*$")]
AbsolutePath = Annotated[str, StringConstraints(pattern=r"^(/|~/)")]
SecretPlace = Annotated[str, StringConstraints(pattern=r"^(/|~/|secret://)"), AfterValidator(_place)]
"""The absolute path of a file that holds a secret; or a reference."""
Reference = Annotated[SecretReference, BeforeValidator(_reference)]
"""A secret, as `secret://PROVIDER/PATH#KEY`."""


class Section(BaseModel):
    """A table of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
