"""Where the audit log's checkpoints are kept, out of reach of whoever can change its database."""

from __future__ import annotations

from typing import Protocol

from unioneyes.kernel.problems import Problem, Unavailable


class Witness(Protocol):
    """Keeps signed checkpoints (c2sp.org/tlog-checkpoint), each as the text that was signed. It need not understand them.

    The weaker the hold of the log's own machines on what was once kept, the more a checkpoint proves: a file of the same machine withstands whoever
    reaches the database alone, an object store with a retention lock also whoever reaches the machine.
    """

    def keep(self, checkpoint: str) -> None:
        """The checkpoint is kept for good, behind those that were kept before; none of them is overwritten.

        Raises: WitnessOvertaken, where it covers no more than the last one does; WitnessUnavailable (may be tried again).
        """

    def latest(self) -> str | None:
        """Return the checkpoint that was kept last; None before the first. Raises: WitnessUnavailable, WitnessChanged."""

    def since(self, size: int) -> tuple[str, ...]:
        """Return those that cover more than `size` entries, in order; it costs what they are, not what there is. Raises: WitnessUnavailable, WitnessChanged."""

    def all(self) -> tuple[str, ...]:
        """Return every checkpoint, in the order in which they were kept. Raises: WitnessUnavailable, WitnessChanged."""


class WitnessUnavailable(Unavailable):
    """The witness does not keep, or does not show, checkpoints at the moment."""


class WitnessOvertaken(WitnessUnavailable):
    """The witness keeps a checkpoint of as many entries, or of more: whoever wrote this one was overtaken."""


class WitnessChanged(Problem):
    """What the witness keeps is not what it was given."""
