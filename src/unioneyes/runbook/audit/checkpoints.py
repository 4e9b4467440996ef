"""Checkpoints: the signed head of the tree at one size. Pure. Source: c2sp.org/tlog-checkpoint."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from datetime import datetime

from unioneyes.runbook.audit.merkle import HASH_BYTES
from unioneyes.runbook.audit.notes import Signer, VerifierKey

_SIZE = re.compile(r"0|[1-9][0-9]{0,17}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """What the log promised: its first `size` entries are those below `root`, for good."""

    size: int
    root: bytes
    at: datetime | None
    """When it was signed, as the signer says; None when it does not."""
    note: str
    """As it was signed."""


def sign_checkpoint(signer: Signer, *, size: int, root: bytes, at: datetime) -> Checkpoint:
    """Return the tree's head, signed. The log's name is the signer's."""
    text = f"{signer.name}\n{size}\n{base64.b64encode(root).decode()}\n"
    return Checkpoint(size=size, root=root, at=at.replace(microsecond=0), note=signer.sign(text, at))


def read_checkpoint(note: str, key: VerifierKey) -> Checkpoint | None:
    """Return the checkpoint that `note` is; None when the key's owner signed no such checkpoint of its log."""
    signed = key.signed(note)
    if signed is None:
        return None
    origin, size, encoded, *_ = [*signed.text.split("\n"), "", "", ""]
    try:
        root = base64.b64decode(encoded, validate=True)
    except ValueError:
        return None
    if origin != key.name or not _SIZE.fullmatch(size) or len(root) != HASH_BYTES:
        return None
    return Checkpoint(size=int(size), root=root, at=signed.at, note=note)
