"""A database with an audit log, for drills that seal it and tamper with it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import psycopg

from unioneyes.adapters.files import CheckpointFile
from unioneyes.kernel.clock import now
from unioneyes.kernel.redaction import Redactor
from unioneyes.ports.witness import Witness
from unioneyes.runbook.audit.checkpoints import empty_checkpoint
from unioneyes.runbook.audit.entry import Action, AuditEntry
from unioneyes.runbook.audit.export import read_export
from unioneyes.runbook.audit.log import AuditLog
from unioneyes.runbook.audit.notes import Signer
from unioneyes.runbook.audit.sealing import Sealing
from unioneyes.runbook.audit.sequencer import Sequencer
from unioneyes.runbook.audit.verification import Verification, verify
from unioneyes.runbook.store.audit import AuditTrail
from unioneyes.runbook.store.database import ControlDatabase

SIGNER = Signer.of("unioneyes/drill", bytes(range(32)))
CANARY = "canary-5f1c9e"


def begun(path: Path, signer: Signer = SIGNER) -> CheckpointFile:
    """Return a witness as it is from the beginning of a log on."""
    witness = CheckpointFile(path)
    witness.keep(empty_checkpoint(signer, now()).note)
    return witness


@dataclass
class Audited:
    """A database with an audit log, and whatever a person with full access to it would do."""

    control_url: str
    database: ControlDatabase
    witness: CheckpointFile
    remote: Witness | None = None

    @property
    def sealing(self) -> Sealing:
        return Sealing(signer=SIGNER, witness=self.witness, remote=self.remote)

    @property
    def log(self) -> AuditLog:
        return AuditLog(self.database, self.sealing)

    @property
    def sequencer(self) -> Sequencer:
        """A sequencer that knows nothing yet, as after a start."""
        return Sequencer(self.database, self.sealing)

    def append(self, *reasons: str) -> None:
        for reason in reasons:
            with self.database.transaction() as connection:
                AuditTrail(Redactor([CANARY])).append(connection, entry(reason))

    def sealed(self, *batches: int) -> None:
        """Entries `0`, `1`, ... are sealed, in batches of so many, each below a checkpoint of its own."""
        number = 0
        for batch in batches:
            self.append(*map(str, range(number, number + batch)))
            number += batch
            assert self.sequencer.seal() == batch

    def verify(self) -> Verification:
        """Verify an export against the checkpoints that the witness keeps."""
        _, leaves = read_export(self.log.export())
        return verify(leaves, self.witness.all(), SIGNER.verifier)

    def reasons(self) -> list[str | None]:
        _, leaves = read_export(self.log.export())
        return [json.loads(leaf.entry)["reason"] for leaf in leaves if leaf.entry]

    @property
    def connection(self) -> psycopg.Connection:
        return psycopg.connect(self.control_url)

    def tamper(self, *statements: str) -> None:
        """Change what triggers refuse to change, as the tables' owner can."""
        with self.connection as connection:
            connection.execute("SET session_replication_role = replica")  # no trigger fires
            for statement in statements:
                connection.execute(statement.encode())


def entry(reason: str) -> AuditEntry:
    return AuditEntry(at=now(), actor="member-1@example.org", action=Action.RUN_CANCELLED, run=f"drill-{reason}", reason=reason)
