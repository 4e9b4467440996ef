"""The document's triggers that no machine sees, as words that a person gives. Source: "Immediate Rollback Triggers"."""

from __future__ import annotations

from enum import StrEnum


class Trigger(StrEnum):
    """What a person found."""

    DATA_CORRUPTION = "data-corruption"
    VULNERABILITY = "vulnerability"
    FEATURE_BROKEN = "feature-broken"
    DATA_INTEGRITY = "data-integrity"

    @property
    def spelled(self) -> str:
        """Return it in the document's words."""
        return _SPELLED[self]


_SPELLED = {
    Trigger.DATA_CORRUPTION: "database corruption detected",
    Trigger.VULNERABILITY: "security vulnerability exposed",
    Trigger.FEATURE_BROKEN: "critical feature completely broken",
    Trigger.DATA_INTEGRITY: "user data integrity compromised",
}


def spelled(reason: str) -> str:
    """Return a trigger in the document's words, and any other reason as it was given."""
    given = reason.strip()
    return Trigger(given).spelled if given in set(Trigger) else reason
