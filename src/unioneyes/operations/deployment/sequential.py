"""A sequential test that may be looked at after every request: is the share of failures above what is allowed?

An e-detector (Shin, Ramdas and Rinaldo, "E-detectors: a nonparametric framework for sequential change detection", 2022) of the CUSUM kind, mixed
over a few alternatives. Its average run length to a false alarm is at least its threshold, however often it is looked at, and it forgets good
times, so that a fault that begins late is seen as fast as one that begins at once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

ALTERNATIVES = (0.1, 0.25, 0.5, 0.9)
"""Where between the allowed share and 1 a fault is looked for: 0.1 is a tenth of the way."""

THRESHOLD = 1e7
"""Evidence at which the detector is sure: at two looks a second, less than one false alarm in 1,000 watches of ten minutes for two detectors."""

SUSPICION = 3.0
"""Log of the evidence from which on the old version is looked at beside the new one: a likelihood ratio of about 20."""

SPARED = 100.0
"""How much likelier it must be that the old version is fine than that it fails as the new one does."""

_LOG_10 = math.log(10)


def threshold(tests: int = 1) -> float:
    """Return the evidence at which one of so many `tests` is sure, as the power of ten. E-values need no more than that (Vovk and Wang, 2021)."""
    return math.log10(THRESHOLD * max(tests, 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Detector:
    """What has been gathered so far. A value: `seeing` returns the next one."""

    evidence: tuple[float, ...] = (0.0,) * len(ALTERNATIVES)
    """Log of the CUSUM e-detector, per alternative."""

    @property
    def suspicious(self) -> bool:
        """True when something may have begun: from here on both versions are compared."""
        return max(self.evidence) >= SUSPICION

    @property
    def sure(self) -> bool:
        """True when the share of failures is above what is allowed, beyond reasonable doubt."""
        return self.sure_among(1)

    def sure_among(self, tests: int) -> bool:
        """Return the same where this is one of so many `tests`: by luck alone one of them goes wrong no more often than a single one would."""
        return self.magnitude >= threshold(tests)

    @property
    def magnitude(self) -> float:
        """The evidence, all alternatives together, as the power of ten: 7 is ten million to one."""
        peak = max(self.evidence)
        return (peak + math.log(sum(math.exp(value - peak) for value in self.evidence) / len(self.evidence))) / _LOG_10

    def seeing(self, *, failures: int, answers: int, allowed: float) -> Detector:
        """Return the detector after `failures` of `answers` more requests, where a share of `allowed` (0-1) would be fine."""
        if answers <= 0 or allowed >= 1:
            return self
        failures = min(failures, answers)
        return replace(
            self,
            evidence=tuple(
                max(value, 0.0) + _log_likelihood_ratio(failures, answers, allowed, allowed + (1 - allowed) * way)
                for value, way in zip(self.evidence, ALTERNATIVES, strict=True)
            ),
        )


def _log_likelihood_ratio(failures: int, answers: int, allowed: float, alternative: float) -> float:
    """Return the log of how much likelier the alternative makes what was seen. `allowed` is above 0."""
    good = answers - failures
    gained = failures * math.log(alternative / allowed) if failures else 0.0
    lost = good * math.log((1 - alternative) / (1 - allowed)) if good else 0.0
    return gained + lost


def above(*, failures: int, answers: int, allowed: float) -> bool:
    """Whether the share of failures since a fixed beginning is above what is allowed, as surely as a detector is: it may be asked after every look.

    The same mixture without forgetting: a martingale as long as the share is allowed, which by Ville's inequality hardly ever passes the threshold.
    """
    return Detector().seeing(failures=failures, answers=answers, allowed=allowed).sure


def spared(*, failures: int, answers: int, fine: float, failing: float) -> bool:
    """Whether the old version is spared what the new one suffers: Wald's sequential test of a share of `fine` (0-1) against one of `failing`.

    Of no answers it is not: a fault outside that cuts the old version off too must not roll back.
    """
    failing = min(failing, 0.99)
    if failing <= fine:
        return False
    return -_log_likelihood_ratio(failures, answers, fine, failing) >= math.log(SPARED) if answers else False


def lower_bound(failures: int, answers: int) -> float:
    """Return a share (0-1) that the true one falls below in about one case of a hundred (Wilson's interval, z = 2.33). 0 without answers."""
    if answers <= 0:
        return 0.0
    z = 2.33
    share = min(failures / answers, 1.0)
    centre = share + z * z / (2 * answers)
    spread = z * math.sqrt(share * (1 - share) / answers + z * z / (4 * answers * answers))
    return max(0.0, (centre - spread) / (1 + z * z / answers))
