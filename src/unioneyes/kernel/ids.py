"""Identifiers that a person can read out on the phone, and that sort by time."""

from __future__ import annotations

import secrets

from unioneyes.kernel.clock import now

_ALPHABET = "23456789abcdefghjkmnpqrstvwxyz"
"""Without the letters and digits that are mistaken for each other (0 o, 1 i l, u v)."""


def new_id(prefix: str) -> str:
    """Return a fresh identifier such as `deploy-20260209-143000-k7m2q`."""
    tail = "".join(secrets.choice(_ALPHABET) for _ in range(5))
    return f"{prefix}-{now():%Y%m%d-%H%M%S}-{tail}"
