"""What sealing needs: a key to sign with, and somebody outside who keeps what was signed."""

from __future__ import annotations

from dataclasses import dataclass

from unioneyes.ports.witness import Witness
from unioneyes.runbook.audit.checkpoints import Checkpoint, read_checkpoint
from unioneyes.runbook.audit.notes import Signer, VerifierKey
from unioneyes.runbook.audit.problems import changed


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealing:
    """Who signs the audit log's checkpoints, and who keeps them: the checkpoint of an empty log, from the log's beginning on."""

    signer: Signer
    witness: Witness
    """The first one, close by: nothing is signed while it keeps nothing."""
    remote: Witness | None = None
    """One out of this machine's reach, to which all that the first one keeps is brought; it may be away for a while."""


def judged(note: str | None, verifier: VerifierKey, *, before: Checkpoint | None, whose: str, begun: str) -> Checkpoint:
    """Return the last checkpoint of a witness, from its note. Raises: AuditLogChanged where it is not this log's, or where the witness kept more `before`."""
    if note is None:
        raise changed(f"{whose} keeps no checkpoint, and it kept one when {begun}")
    latest = read_checkpoint(note, verifier)
    if latest is None:
        raise changed(f"{whose}'s last checkpoint was not signed by {verifier}")
    if before is not None and latest.size < before.size:
        raise changed(f"{whose}'s last checkpoint is of {latest.size} entries, and it kept one of {before.size} before")
    return latest
