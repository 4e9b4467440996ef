"""The sequencer: gives each appended entry its place in the tree, and has each new head of it signed and witnessed. One at a time, among all workers."""

from __future__ import annotations

import logging
from threading import Event, Thread

from sqlalchemy import Connection

from unioneyes.kernel.clock import now
from unioneyes.kernel.problems import Problem
from unioneyes.runbook.audit.carrier import Carrier
from unioneyes.runbook.audit.checkpoints import Checkpoint, sign_checkpoint
from unioneyes.runbook.audit.merkle import Tree, leaf_hash
from unioneyes.runbook.audit.problems import AuditLogChanged, changed
from unioneyes.runbook.audit.sealing import Sealing, judged
from unioneyes.runbook.store import audit
from unioneyes.runbook.store.database import ControlDatabase

EVERY_SECONDS = 1.0
_LAST_SECONDS = 15.0
"""For the last sealing: longer than any of its statements may take."""
_AFTER_A_CHANGE_SECONDS = 60.0
"""Until a log that was found changed is read again: that takes its whole length."""
_BATCH = 1_000
"""Entries that are sealed in one transaction."""

_logger = logging.getLogger(__name__)


class Sequencer:
    """A thread that seals once a second."""

    def __init__(self, database: ControlDatabase, sealing: Sealing) -> None:
        """Seal nothing yet."""
        self._database = database
        self._sealing = sealing
        self._stopping = Event()
        self._thread = Thread(target=self._seal_on, name="audit-sequencer", daemon=True)
        self._tree = Tree()
        self._known: Checkpoint | None = None
        """The witness's last checkpoint, as far as this process knows: it only grows."""
        self._looked_everywhere = False
        self._carrier = Carrier(sealing)
        self.trouble: str | None = None
        """Why nothing is sealed, or kept elsewhere; None while it is."""

    def start(self) -> None:
        """Seal from now on."""
        self._thread.start()

    def stop(self) -> None:
        """What was appended so far is sealed, where that can be done at once; a database that does not answer is not waited for."""
        self._stopping.set()
        self._thread.join(_LAST_SECONDS)

    def kept(self, latest: Checkpoint | None) -> Checkpoint | None:
        """Return the last checkpoint that is kept wherever it should be, where `latest` is the first witness's; None where that is not known."""
        if self._carrier.covered is None:
            return None if self._carrier.trouble else latest
        return min((latest, self._carrier.covered), key=lambda each: each.size) if latest else None

    def seal(self) -> int:
        """Everything that can be sealed now is, below a checkpoint that the witness keeps; return how many entries, none when it is another worker's turn.

        The remote witness is brought what the first one keeps; where it is away, `trouble` says so.

        Raises: AuditLogChanged (nothing was sealed or signed), WitnessUnavailable, ControlDatabaseUnavailable.
        """
        count = 0
        try:
            self._carrier.hold()
            while sealed := self._seal_batch():
                count += sealed
        except BaseException:
            self._forget()  # what took effect of it is read again
            raise
        try:
            self._carrier.hold(self._tree.size)  # before anything is signed
            self._publish()
            self._carrier.bring()
        except AuditLogChanged:
            self._forget()  # what stands is held against the witness anew; where it only did not answer, nothing needs to be read again
            raise
        return count

    def _seal_on(self) -> None:
        pause = EVERY_SECONDS
        while not self._stopping.wait(pause):
            pause = self._try()
        self._try()

    def _try(self) -> float:
        """Seal; return how long to wait until the next time."""
        try:
            self.seal()
        except AuditLogChanged as problem:
            _logger.critical("audit: %s", problem)
            self.trouble = str(problem)
            return _AFTER_A_CHANGE_SECONDS
        except Problem as problem:
            _logger.warning("audit: %s", problem)
            self.trouble = str(problem)
        except Exception:  # the sequencer outlives whatever is raised while PostgreSQL is away
            _logger.exception("audit: sealing failed, and is tried again")
            self.trouble = "sealing failed; the server's log says why"
        else:
            self.trouble = self._carrier.trouble
        return EVERY_SECONDS

    def _seal_batch(self) -> int:
        """Seal at most one batch; return how many."""
        with self._database.transaction() as connection:
            if not audit.take_turn(connection):
                return 0
            self._catch_up(connection)
            batch = audit.unsealed(connection, limit=_BATCH, everywhere=not self._looked_everywhere)
            sealed = [(each, leaf_hash(each.entry.encode())) for each in batch]
            if sealed:
                audit.seal(connection, sealed, first=self._tree.size)
        for _, hashed in sealed:
            self._tree.append(hashed)
        self._looked_everywhere |= len(sealed) < _BATCH
        return len(sealed)

    def _catch_up(self, connection: Connection) -> None:
        """This process's tree is the one that stands in the database, and begins with the one that the witness knows. Raises: AuditLogChanged."""
        if self._tree.size == 0:
            self._known = self._witnessed()
        stands = audit.size(connection)
        for index, hashed in audit.leaf_hashes(connection, begin=self._tree.size, end=stands):
            if index != self._tree.size:
                raise changed(f"leaf {self._tree.size} of the tree is missing")
            self._tree.append(hashed)
            if self._known is not None and self._known.size == self._tree.size and self._known.root != self._tree.root():
                raise changed(f"the first {self._known.size} entries are not those that a checkpoint was signed for")
        promised = max(self._tree.size, self._known.size if self._known else 0)
        if stands < promised:
            raise changed(f"the database holds {stands} sealed entries, and {promised} were sealed")

    def _publish(self) -> None:
        """The witness keeps a checkpoint of the whole tree."""
        if self._tree.size == (self._known.size if self._known else 0):
            return
        with self._database.transaction() as connection:
            if not audit.take_turn(connection) or audit.size(connection) != self._tree.size:
                return  # whoever has sealed on publishes more
            latest = self._witnessed()
            if latest.size < self._tree.size:
                latest = sign_checkpoint(self._sealing.signer, size=self._tree.size, root=self._tree.root(), at=now())
                self._sealing.witness.keep(latest.note)
            elif (latest.size, latest.root) != (self._tree.size, self._tree.root()):
                raise changed(f"the witness keeps another checkpoint, of {latest.size} entries")
            self._known = latest

    def _witnessed(self) -> Checkpoint:
        """Return the witness's last checkpoint. Raises: AuditLogChanged where it is not this log's, or where the witness kept more before."""
        return judged(self._sealing.witness.latest(), self._sealing.signer.verifier, before=self._known, whose="the witness", begun="the log was begun")

    def _forget(self) -> None:
        """The tree is read anew; what the witness has kept is not forgotten."""
        self._tree = Tree()
        self._looked_everywhere = False
