"""What came of a step, as it is kept: exceptions never cross the durable engine's serializer, data does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, JsonValue, TypeAdapter

from unioneyes.runbook.codec import KeptProblem
from unioneyes.runbook.steps import Stop
from unioneyes.runbook.views import Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """It returned."""

    value: JsonValue
    kind: Literal["returned"] = "returned"


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """It ended with a problem, after all its retries."""

    problem: KeptProblem
    refused: bool
    """True when the problem says that nothing was changed."""
    kind: Literal["raised"] = "raised"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """It was not begun, or it ended early, because the run is stopped."""

    why: Stop
    begun: bool
    kind: Literal["stopped"] = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A person chose."""

    decision: Decision
    kind: Literal["decided"] = "decided"


Outcome = Annotated[Returned | Raised | Stopped | Decided, Field(discriminator="kind")]

_ADAPTER: TypeAdapter[Returned | Raised | Stopped | Decided] = TypeAdapter(Outcome)


def keep(outcome: Returned | Raised | Stopped | Decided) -> JsonValue:
    """Return `outcome` as JSON."""
    document: JsonValue = _ADAPTER.dump_python(outcome, mode="json")
    return document


def recall(document: JsonValue) -> Returned | Raised | Stopped | Decided:
    """Return the outcome that `document` describes."""
    return _ADAPTER.validate_python(document)
