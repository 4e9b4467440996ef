"""The `ue` command that does what a document's command does: one table, which the plan, the lint and the page in docs/runbook share."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import yaml
from pydantic import TypeAdapter


@dataclass(frozen=True, slots=True, kw_only=True)
class Equivalent:
    """One row of the table."""

    does: str
    """What the document types, shortened."""
    like: str
    """A regular expression that finds it in a command."""
    ue: str
    why: str
    """What `ue` does beyond it."""
    comes: str | None = None
    """The chapter that the `ue` command comes with; None when this release has it."""

    @property
    def told(self) -> str:
        """The command as a plan names it."""
        return f"{self.ue} (comes with the chapter {self.comes})" if self.comes else self.ue


@cache
def equivalents() -> tuple[Equivalent, ...]:
    """Return the table; the first row that fits a command counts."""
    text = files(__package__).joinpath("commands.yaml").read_text(encoding="utf-8")
    return TypeAdapter(tuple[Equivalent, ...]).validate_python(yaml.safe_load(text))


def equivalent(command: str) -> Equivalent | None:
    """Return the row for a command, on one line; None when there is none."""
    return next((row for row in equivalents() if re.search(row.like, command)), None)
