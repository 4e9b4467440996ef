"""The audit log as it is read: pages, its state, an export, proofs."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pydantic import ValidationError

from unioneyes.ports.witness import WitnessUnavailable
from unioneyes.runbook.audit.checkpoints import Checkpoint, read_checkpoint
from unioneyes.runbook.audit.entry import AuditEntry, read_entry
from unioneyes.runbook.audit.export import header_line, leaf_line
from unioneyes.runbook.audit.merkle import inclusion_ranges, is_included, leaf_hash, prove
from unioneyes.runbook.audit.problems import AuditLogChanged, EntryNotCovered, EntryUnreadable, UnknownEntry
from unioneyes.runbook.audit.proof import proof_text
from unioneyes.runbook.audit.sealing import Sealing
from unioneyes.runbook.audit.sequencer import Sequencer
from unioneyes.runbook.audit.views import LONGEST_LAG, AuditItem, AuditProof, AuditStatus
from unioneyes.runbook.store import audit
from unioneyes.runbook.store.database import ControlDatabase


class AuditLog:
    """The log of one control plane's database. Whoever has a key to seal it with also seals it, once started."""

    def __init__(self, database: ControlDatabase, sealing: Sealing | None, *, trouble: Callable[[], str | None] = lambda: None) -> None:
        """Read from `database`; `trouble` says what keeps entries that were written elsewhere from being brought in."""
        self._trouble = trouble
        self._database = database
        self._sealing = sealing
        self._sequencer = None if sealing is None else Sequencer(database, sealing)

    def start(self) -> None:
        """What is appended is sealed, within about a second."""
        if self._sequencer is not None:
            self._sequencer.start()

    def stop(self) -> None:
        """Nothing is sealed here any more."""
        if self._sequencer is not None:
            self._sequencer.stop()

    def page(self, *, limit: int, before: int | None = None, run: str | None = None) -> tuple[AuditItem, ...]:
        """Return entries, newest first: those that are not sealed yet, then by their place; or only those `before` a place. With `run`, of that run.

        Raises: AuditLogChanged where one is missing or was changed, EntryUnreadable.
        """
        with self._database.transaction() as connection:
            open_ones = audit.newest_unsealed(connection, run_id=run, limit=limit) if before is None else ()
            sealed = audit.newest_sealed(connection, before=before, run_id=run, limit=limit)
        items = [AuditItem(index=None, entry=_shown(text, None, sealed_as=None)) for text in open_ones]
        items += [AuditItem(index=leaf.index, entry=_shown(leaf.entry, leaf.index, sealed_as=leaf.leaf_hash)) for leaf in sealed]
        return tuple(items[:limit])

    def status(self) -> AuditStatus:
        """Return where the log is; what counts as covered is kept by the remote witness too.

        While a witness shows nothing, and did not since this process began, nothing counts as covered: that is an alarm, and must not keep itself
        from being told.
        """
        trouble = (self._sequencer.trouble if self._sequencer else None) or self._trouble()
        latest = None
        try:
            latest = self._latest()
            latest = self._sequencer.kept(latest) if self._sequencer else latest
        except WitnessUnavailable as problem:
            trouble = trouble or f"the checkpoints can't be read: {problem}"
        covered = latest.size if latest else 0
        with self._database.transaction() as connection:
            sealed = audit.size(connection)
            waiting = audit.waiting(connection, covered=covered)
        return AuditStatus(
            key=str(self._sealing.signer.verifier) if self._sealing else None,
            sealed=sealed,
            unsealed=waiting.unsealed,
            covered=covered,
            checkpoint_at=latest.at if latest else None,
            lag_seconds=round(waiting.oldest.total_seconds(), 3),
            late=waiting.oldest > LONGEST_LAG,
            trouble=trouble,
        )

    def export(self) -> Iterator[str]:
        """Yield the lines of an export: all that is sealed now. Raises: WitnessUnavailable."""
        sealing = self._required()
        checkpoints = sealing.witness.all()  # before the size: whatever was promised by then must be found
        with self._database.transaction() as connection:
            end = audit.size(connection)
        yield header_line(key=str(sealing.signer.verifier), checkpoints=checkpoints)
        begin = 0
        while page := self._sealed(begin, end):
            for leaf in page:
                yield leaf_line(leaf.index, leaf.leaf_hash, leaf.entry)
            begin = page[-1].index + 1

    def proof(self, index: int) -> AuditProof:
        """Return the proof that an entry is below the last checkpoint.

        Raises: UnknownEntry, EntryNotCovered, AuditLogChanged, EntryUnreadable, WitnessUnavailable.
        """
        latest = self._latest()
        with self._database.transaction() as connection:
            leaf = next(iter(audit.sealed_page(connection, begin=index, end=index + 1)), None)
            if leaf is None:
                raise UnknownEntry(what=f"no entry {index} is sealed", remedy="ue audit list")
            if latest is None or index >= latest.size:
                raise EntryNotCovered(what=f"no checkpoint covers entry {index} yet", remedy="try again in a second; ue audit verify says how long it takes")
            hashes = prove((hashed for _, hashed in audit.leaf_hashes(connection, begin=0, end=latest.size)), inclusion_ranges(index, latest.size))
        text = leaf.entry
        if text is None or not is_included(leaf_hash(text.encode()), index=index, size=latest.size, root=latest.root, proof=hashes):
            raise AuditLogChanged(what=f"entry {index} is not in the tree that was signed", remedy="ue audit verify says what is wrong")
        return AuditProof(
            index=index,
            entry=_shown(text, index, sealed_as=leaf.leaf_hash),
            size=latest.size,
            proof=proof_text(index=index, entry=text, hashes=hashes, checkpoint=latest.note),
        )

    def _sealed(self, begin: int, end: int) -> tuple[audit.Leaf, ...]:
        with self._database.transaction() as connection:
            return audit.sealed_page(connection, begin=begin, end=end)

    def _latest(self) -> Checkpoint | None:
        note = self._sealing.witness.latest() if self._sealing else None
        return read_checkpoint(note, self._sealing.signer.verifier) if self._sealing and note else None

    def _required(self) -> Sealing:
        if self._sealing is None:
            raise EntryNotCovered(what="nothing is sealed here", remedy="ask a server that seals")
        return self._sealing


def _shown(text: str | None, index: int | None, *, sealed_as: bytes | None) -> AuditEntry:
    which = "an entry that waits to be sealed" if index is None else f"entry {index}"
    if text is None:
        raise AuditLogChanged(what=f"{which} is missing", remedy="ue audit verify says what is wrong")
    try:
        return read_entry(text)
    except ValidationError:
        if sealed_as is not None and leaf_hash(text.encode()) != sealed_as:
            raise AuditLogChanged(what=f"{which} is not what was written: it can't be read", remedy="ue audit verify says what is wrong") from None
        raise EntryUnreadable(
            what=f"{which} has a form that this release does not know", remedy="ask a server of the release that wrote it; ue audit verify needs to read none"
        ) from None
