"""Options that every command has."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from cyclopts import Group, Parameter

EVERYWHERE = Group("Options of every command", sort_key=9)


class Format(StrEnum):
    """How a result is printed."""

    TABLE = "table"
    """For people."""
    JSON = "json"
    """The API's own object."""
    JSONL = "jsonl"
    """The same, one line per item."""


@Parameter(name="*", group=EVERYWHERE)
@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Which environment a command is about."""

    env: Annotated[str, Parameter(env_var="UE_ENV", group=EVERYWHERE)] = "local"
    """Environment to operate."""
    home: Annotated[Path | None, Parameter(env_var="UE_HOME", group=EVERYWHERE)] = None
    """Folder of the environment."""

    @property
    def flags(self) -> str:
        """What a person adds to a suggested command to reach the same environment: empty for the default one."""
        return (f" --env {self.env}" if self.env != "local" else "") + (f" --home {shlex.quote(str(self.home))}" if self.home else "")


@Parameter(name="*", group=EVERYWHERE)
@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """How and where a result is printed."""

    output: Annotated[Format, Parameter(name=("--output", "-o"), group=EVERYWHERE)] = Format.TABLE
    """Form of the result: a table for people, JSON for programs."""
    to: Annotated[Path | None, Parameter(group=EVERYWHERE)] = None
    """Write the result to this file."""


HERE = Where()
PRINTED = Output()
