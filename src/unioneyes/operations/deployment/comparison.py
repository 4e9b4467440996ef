"""One kind of failure, compared between the new version and the old one: pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from unioneyes.operations.deployment.beside import Excess
from unioneyes.operations.deployment.sequential import Detector, lower_bound, spared

FEWEST_FAILURES = 5
"""Failures below which no share counts as too high: three unlucky requests of a quiet night are no fault."""

Counts = tuple[int, int]
"""(failures, answers)."""


@dataclass(slots=True, kw_only=True)
class Comparison:
    """One kind of failure: how sure it is that the new version fails too often, and what the old one did since that was first suspected."""

    limit: float
    """Share of failures, 0-1, that is allowed."""
    among: int = 1
    """How many comparisons of this kind are made: each must be so much surer."""
    detector: Detector = field(default_factory=Detector)
    new: Counts = (0, 0)
    """(failures, answers) since the suspicion."""
    old: Counts = (0, 0)
    """The same from the look on that raised it."""
    excess: Excess = field(default_factory=Excess)
    """Of the new version's failures over the old one's, look by look, since the suspicion."""

    def see(self, *, new: Counts, old: Counts) -> None:
        """Take one more look into account; each is (failures, answers)."""
        suspected = self.detector.suspicious
        self.detector = self.detector.seeing(failures=new[0], answers=new[1], allowed=self.limit)
        if not (suspected and self.detector.suspicious):  # the look that raises the suspicion is a chosen one: it says too much of the new version
            self.new, self.old, self.excess = (0, 0), old, Excess()
            return
        self.new = (self.new[0] + new[0], self.new[1] + new[1])
        self.old = (self.old[0] + old[0], self.old[1] + old[1])
        self.excess = self.excess.plus(Excess.of(new=new, old=old))

    @property
    def sure(self) -> bool:
        """True when the new version fails too often, whatever the old one does."""
        return self.detector.sure_among(self.among) and self.new[0] >= FEWEST_FAILURES

    def convicts(self, *, beside_old: bool) -> bool:
        """Whether the new version fails too often and, where there is an old one, that one is spared: over all looks, and beyond luck in the same ones."""
        if not self.sure or not beside_old:
            return self.sure
        return self.excess.beyond_luck and spared(failures=self.old[0], answers=self.old[1], fine=self.limit, failing=lower_bound(*self.new))


def share(part: int, whole: int) -> str:
    """Return `part` of `whole` as people read it: `4.2 %`, or `none seen` without a whole. Counters that were read a moment apart never say more than all."""
    return f"{min(part, whole) / whole:.1%}".replace("%", " %") if whole else "none seen"
