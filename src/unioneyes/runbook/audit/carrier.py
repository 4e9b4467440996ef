"""The remote witness: what it keeps is held against what the first one keeps, and what it lacks is brought to it. Sealing does not wait for it."""

from __future__ import annotations

import logging
from datetime import timedelta

from unioneyes.kernel.clock import Deadline
from unioneyes.ports.witness import Witness, WitnessChanged, WitnessOvertaken, WitnessUnavailable
from unioneyes.runbook.audit.checkpoints import Checkpoint, read_checkpoint
from unioneyes.runbook.audit.problems import changed
from unioneyes.runbook.audit.sealing import Sealing, judged

_AGAIN_AFTER = timedelta(seconds=15)
"""How long a remote witness that is away is left alone: a call that waits in vain holds sealing up for seconds."""
_MOST = 100
"""Checkpoints that are brought at once."""

_logger = logging.getLogger(__name__)


class Carrier:
    """Brings checkpoints from the first witness to the remote one, each of them, in order: so the remote one keeps a beginning of what the first one does."""

    def __init__(self, sealing: Sealing) -> None:
        """Know nothing yet of what the remote witness keeps."""
        self._sealing = sealing
        self._held = False
        self._away: Deadline | None = None
        self.covered: Checkpoint | None = None
        """The last that the remote witness keeps, as far as this process knows: it only grows."""
        self.trouble: str | None = None
        """Why nothing is brought; None while it is, and where there is no remote witness."""

    def hold(self, size: int = 0) -> None:
        """What the remote witness keeps last, the first one keeps too. It is asked where it was not before, or was not brought `size` entries yet.

        Where it is away, that is told, and it is asked again later. Raises: AuditLogChanged, WitnessUnavailable (the first one).
        """
        if self._sealing.remote is None or (self._held and self.covered is not None and self.covered.size >= size):
            return
        if self._away is not None and not self._away.passed:
            return
        self._held = False
        try:
            note = self._sealing.remote.latest()
        except WitnessChanged as problem:
            raise changed(problem.what) from None
        except WitnessUnavailable as problem:
            self._is_away(problem)
            return
        self._away = self.trouble = None
        self.covered = self._judged(note)
        self._held = True

    def bring(self) -> None:
        """The remote witness keeps what the first one does, unless it is away. Raises: AuditLogChanged, WitnessUnavailable (the first one)."""
        if (remote := self._sealing.remote) is None or self.covered is None or not self._held:
            return
        for note in self._sealing.witness.since(self.covered.size)[:_MOST]:
            try:
                remote.keep(note)
            except WitnessOvertaken:  # another worker has brought it
                self._held = False
                return
            except WitnessChanged as problem:
                raise changed(problem.what) from None
            except WitnessUnavailable as problem:
                self._held = False
                self._is_away(problem)
                return
            self.covered = read_checkpoint(note, self._sealing.signer.verifier) or self.covered

    def _judged(self, note: str | None) -> Checkpoint:
        """Return the remote witness's last checkpoint. Raises: AuditLogChanged, WitnessUnavailable."""
        latest = judged(note, self._sealing.signer.verifier, before=self.covered, whose="the remote witness", begun="it was begun")
        if not _keeps(self._sealing.witness, latest):
            raise changed(f"the remote witness keeps a checkpoint of {latest.size} entries that the first one lacks: one of them was changed")
        return latest

    def _is_away(self, problem: WitnessUnavailable) -> None:
        if self.trouble is None:
            _logger.warning("audit: sealing goes on, below no checkpoint that is kept elsewhere: %s", problem)
        self.trouble = f"checkpoints wait to be kept elsewhere: {problem}"
        self._away = Deadline.after(_AGAIN_AFTER)


def _keeps(witness: Witness, checkpoint: Checkpoint) -> bool:
    return witness.since(checkpoint.size - 1)[:1] == (checkpoint.note,)
