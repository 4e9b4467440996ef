"""Plans: everything that a run will do, as a frozen value that can be printed, hashed and signed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from functools import cache
from types import MappingProxyType
from typing import ClassVar, cast

from pydantic import JsonValue, TypeAdapter
from pydantic.main import IncEx

from unioneyes.ports.checklist import ApprovalRule


class Effect(StrEnum):
    """What a step does to the world."""

    READ = "read"
    CHANGE = "change"
    """Can be undone."""
    DESTROY = "destroy"
    """Can't be undone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStep:
    """One step that the run may take."""

    step: str
    """The step's name; a run takes no step that its plan does not name."""
    does: str
    """What is true afterwards."""
    effect: Effect
    commands: tuple[str, ...] = ()
    """What a person would have typed, from the adapter that does it."""
    undo: tuple[str, ...] = ()
    """What a person would type to take it back; empty for a step that reads, or where there is no way back."""
    detail: str = ""
    """What sets it apart where the plan names a step more than once: `10 %`."""
    when: str = ""
    """The condition, where a verdict decides (`the verdict is roll back`); empty for a step that is always taken."""
    no_return: bool = False
    """The point of no return: after it the run can't be undone."""
    lasts: timedelta | None = None
    """How long it takes where the plan itself says so, as of a watch; None where only past runs can tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A volatile reading that the plan rests on. It is shown, checked again at the start, and not part of the hash."""

    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What every plan has. A runbook's own plan adds the arguments of its steps."""

    summary: str
    """One line: `deploy 1.1.0 to green, blue-green`."""
    steps: tuple[PlannedStep, ...]
    readings: tuple[Reading, ...] = ()
    confirm: str | None = None
    """What a person must type before the run starts: the name of what can't be brought back. None where everything can."""
    approvals: tuple[ApprovalRule, ...] = ()
    """Whose yes the run needs before it begins. The engine puts in what the policy asks for."""
    content: dict[str, str] = field(default_factory=dict)
    """SHA-256 of what the run carries out and its steps only name, by what people call it: `0001_claim_deadlines.sql`, `release 1.1.0`."""

    unsigned: ClassVar[Mapping[str, IncEx | bool]] = MappingProxyType({"readings": True})
    """What no approval signs, because it may be another one a moment later: as pydantic's `exclude` names fields, and fields of fields."""

    @property
    def destroys(self) -> bool:
        """True when something may be gone for good: what a person types the name of first, or what a step destroys and no undo brings back."""
        return self.confirm is not None or any(step.effect is Effect.DESTROY and not step.undo for step in self.steps)

    def require_open(self) -> None:
        """Return when nobody is asked in vain: nothing that the plan saw keeps its run from beginning. Raises: Refused."""

    def signed(self) -> JsonValue:
        """Return everything that an approval signs."""
        document: JsonValue = _adapter(cast("Hashable", type(self))).dump_python(self, mode="json", exclude=dict(self.unsigned))
        return document

    def hash(self) -> str:
        """Return the SHA-256 of what an approval signs, in canonical JSON."""
        return hashlib.sha256(json.dumps(self.signed(), sort_keys=True, separators=(",", ":")).encode()).hexdigest()


@cache
def _adapter(kind: Hashable) -> TypeAdapter[Plan]:
    return TypeAdapter(kind)  # type: ignore[arg-type]  # a type, by its only caller
