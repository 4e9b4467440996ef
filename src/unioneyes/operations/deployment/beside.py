"""Whether two versions fail alike, compared within each look: the test of Mantel and Haenszel (1959), with a look as its stratum.

Sums over minutes say little here. The new version gets the members and the old one only probes: when a fault outside coincides with a rush of members, the new
one's average rises above the old one's although both failed alike in each second. Within a look both met the same world.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

BEYOND_LUCK = 3.0
"""Standard deviations from which on a difference is no luck: about one case in 700."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Excess:
    """Failures of the new version beyond its share, summed over looks. `plus` and `minus` let a window slide."""

    failures: float = 0.0
    variance: float = 0.0

    @classmethod
    def of(cls, *, new: tuple[int, int], old: tuple[int, int]) -> Excess:
        """Return that of one look; each is (failures, answers). Nothing when one of them answered nothing, or both failed entirely or not at all."""
        answers, failures = new[1] + old[1], new[0] + old[0]
        if not new[1] or not old[1] or failures in {0, answers}:
            return cls()
        variance = new[1] * old[1] * failures * (answers - failures) / (answers * answers * (answers - 1))
        return cls(failures=new[0] - new[1] * failures / answers, variance=variance)

    def plus(self, more: Excess) -> Excess:
        """Return the sum."""
        return Excess(failures=self.failures + more.failures, variance=self.variance + more.variance)

    def minus(self, gone: Excess) -> Excess:
        """Return what is left when a look leaves the window."""
        return Excess(failures=self.failures - gone.failures, variance=self.variance - gone.variance)

    @property
    def beyond_luck(self) -> bool:
        """True when the new version fails more often than the old one in the same looks, beyond luck."""
        return self.failures > BEYOND_LUCK * math.sqrt(max(self.variance, 0.0)) and self.failures > 0
