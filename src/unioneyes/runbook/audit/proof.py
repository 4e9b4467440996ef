"""The proof that one entry is in the log, as a text that is verified offline. Pure. Source: c2sp.org/tlog-proof."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass

from unioneyes.runbook.audit.checkpoints import Checkpoint, read_checkpoint
from unioneyes.runbook.audit.merkle import is_included, leaf_hash
from unioneyes.runbook.audit.notes import VerifierKey
from unioneyes.runbook.audit.problems import AuditFileMalformed

_FORM = re.compile(r"c2sp\.org/tlog-proof@v1\nextra (?P<entry>\S+)\nindex (?P<index>0|[1-9][0-9]{0,17})\n(?P<hashes>(?:\S+\n)*)\n(?P<checkpoint>.+)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """What a proof shows."""

    index: int
    entry: str
    checkpoint: Checkpoint


def proof_text(*, index: int, entry: str, hashes: Sequence[bytes], checkpoint: str) -> str:
    """Return the proof."""
    lines = ["c2sp.org/tlog-proof@v1", f"extra {_encoded(entry.encode())}", f"index {index}", *map(_encoded, hashes), "", checkpoint]
    return "\n".join(lines)


def read_proof(text: str, key: VerifierKey) -> Proven | None:
    """Return what the proof shows; None when it shows nothing under this key. Raises: AuditFileMalformed."""
    found = _FORM.fullmatch(text)
    if found is None:
        raise AuditFileMalformed(what="this is no proof of an audit entry", remedy="ue audit proof ENTRY --to FILE writes one")
    try:
        entry = base64.b64decode(found["entry"], validate=True)
        shown = entry.decode()
        hashes = [base64.b64decode(line, validate=True) for line in found["hashes"].split()]
    except ValueError:
        raise AuditFileMalformed(what="the proof holds what is no base64 of a text", remedy="copy it again, whole") from None
    checkpoint = read_checkpoint(found["checkpoint"], key)
    index = int(found["index"])
    if checkpoint is None or not is_included(leaf_hash(entry), index=index, size=checkpoint.size, root=checkpoint.root, proof=hashes):
        return None
    return Proven(index=index, entry=shown, checkpoint=checkpoint)


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()
