"""Checkpoints to keep."""

from __future__ import annotations

from datetime import UTC, datetime

from unioneyes.runbook.audit.checkpoints import sign_checkpoint
from unioneyes.runbook.audit.notes import Signer

SIGNER = Signer.of("unioneyes/test", bytes(32))


def note(size: int, *, root: int = 0) -> str:
    return sign_checkpoint(SIGNER, size=size, root=bytes([root]) * 32, at=datetime(2026, 2, 9, tzinfo=UTC)).note
