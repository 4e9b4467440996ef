"""What sealing needs: a key to sign with, and somebody outside who keeps what was signed."""

from __future__ import annotations

from dataclasses import dataclass

from unioneyes.ports.witness import Witness
from unioneyes.runbook.audit.notes import Signer


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealing:
    """Who signs the audit log's checkpoints, and who keeps them: the checkpoint of an empty log, from the log's beginning on."""

    signer: Signer
    witness: Witness
    """The first one, close by: nothing is signed while it keeps nothing."""
    remote: Witness | None = None
    """One out of this machine's reach, to which all that the first one keeps is brought; it may be away for a while."""
