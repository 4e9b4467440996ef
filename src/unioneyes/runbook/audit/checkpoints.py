"""Checkpoints: the signed head of the tree at one size. Pure. Source: c2sp.org/tlog-checkpoint."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from datetime import datetime

from unioneyes.runbook.audit.merkle import EMPTY_ROOT, HASH_BYTES
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


def empty_checkpoint(signer: Signer, at: datetime) -> Checkpoint:
    """Return the checkpoint that a log begins with: it promises no entry, and shows later that something was kept."""
    return sign_checkpoint(signer, size=0, root=EMPTY_ROOT, at=at)


def promises_something(note: str) -> bool:
    """Return whether the note says, whoever signed it, that there was an entry."""
    return note.split("\n")[1:2] != ["0"]


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
