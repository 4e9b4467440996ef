"""A replica's settings, from the environment."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import AnyHttpUrl, Field, PlainValidator, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from unioneyes.claims.problems import BadSettings

_PREFIX = "CLAIMS_"
_LONGEST_SOCKET_PATH = 107
"""Bytes that the kernel takes."""
_HIGHEST_PORT = 65535


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """A Unix socket."""

    path: Path


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """A TCP port."""

    host: str
    port: int


Address = UnixAddress | TcpAddress


def parse_address(text: object) -> Address:
    """Return the address that `text` names: `unix:/path` or `127.0.0.1:8000`. Raises: ValueError when it names none."""
    kind, _, rest = str(text).rpartition(":")
    if str(text).startswith("unix:/"):
        path = str(text).removeprefix("unix:")
        if len(path.encode()) > _LONGEST_SOCKET_PATH:
            message = f"a socket's path has at most {_LONGEST_SOCKET_PATH} bytes"
            raise ValueError(message)
        return UnixAddress(Path(path))
    if kind and rest.isdecimal() and int(rest) <= _HIGHEST_PORT:
        return TcpAddress(kind, int(rest))
    message = "write it as unix:/path or 127.0.0.1:8000"
    raise ValueError(message)


class ClaimsSettings(BaseSettings):
    """What a replica must be told."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, frozen=True, extra="forbid", use_attribute_docstrings=True)

    version: str
    """The release that this replica is."""
    replica: str
    """Its name: `blue-1`."""
    listen: Annotated[Address, NoDecode, PlainValidator(parse_address)]
    """Where it answers: `unix:/path` or `127.0.0.1:8000`."""
    private_listen: Annotated[Address, NoDecode, PlainValidator(parse_address)] | None = None
    """Where it takes `POST /drain` and says what it counted (`/metrics`): a Unix socket, or a port that no member reaches."""
    database_url_file: Path
    """File that holds the database's address with the password of `claims_app`; read again for each new connection, so that it can be rotated."""
    jwks_url: AnyHttpUrl
    """Where the issuer's signing keys are."""
    issuer: str
    """The `iss` of a valid token."""
    audience: str | None = None
    """Whom tokens must have been made for: their `azp` (Clerk's authorized party). Not checked when not given."""
    allow_faults: bool = False
    """True in the local environment only: releases that are faulty on purpose may run."""
    pool_size: Annotated[int, Field(ge=1, le=100)] = 8
    """Connections to the database, at most."""
    drain_seconds: Annotated[float, Field(ge=0, le=60)] = 3.0
    """How long a draining replica answers on with `Connection: close` before it ends."""

    @property
    def drain(self) -> timedelta:
        """`drain_seconds`, with its unit."""
        return timedelta(seconds=self.drain_seconds)

    def database_url(self) -> SecretStr:
        """Return the database's address. Raises: BadSettings when the file can't be read."""
        try:
            return SecretStr(self.database_url_file.read_text().strip())
        except OSError as error:
            raise BadSettings(what=f"{self.database_url_file}: {error.strerror}", remedy=f"name a readable file in {_PREFIX}DATABASE_URL_FILE") from error


def read_settings() -> ClaimsSettings:
    """Return the settings. Raises: BadSettings, which names each setting that is missing, wrong or unknown, never its value."""
    known = {f"{_PREFIX}{name.upper()}" for name in ClaimsSettings.model_fields}
    unknown = sorted(name for name in os.environ if name.startswith(_PREFIX) and name not in known)
    if unknown:
        raise BadSettings(what=f"unknown settings: {', '.join(unknown)}", remedy=f"known are {', '.join(sorted(known))}")
    try:
        return ClaimsSettings.model_validate({})
    except ValidationError as error:
        wrong = "; ".join(f"{_PREFIX}{'.'.join(str(part) for part in line['loc'][:1]).upper()}: {line['msg']}" for line in error.errors(include_input=False))
        raise BadSettings(what=wrong, remedy="set these environment variables") from error
