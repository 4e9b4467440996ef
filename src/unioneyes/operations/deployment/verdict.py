"""The watch's decision, as pure rules over what was seen: keep, roll back, or not enough data.

Green is compared with blue on the same seconds: blue is probed while it is warm, so a fault outside that hits both alike rolls nothing back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from unioneyes.operations.deployment.model import Figures, Keep, NotEnoughData, RollBack, Verdict
from unioneyes.operations.deployment.sequential import Detector, upper_bound

ERROR_RATE_LIMIT = 0.05
"""Share of failed requests, 0-1, over 5 minutes. Source: Rollback Procedures, "Error rate > 5% within 5 minutes"."""

ERROR_RATE_WINDOW = timedelta(minutes=5)
"""Source: the same line."""

SLOW_LIMIT_MS = 2000.0
"""Milliseconds. Source: Key Metrics, "Response Time (P99) > 2000ms"."""

SLOW_SHARE_LIMIT = 0.01
"""Share of answers, 0-1, that may be slower: a P99 above the limit is the same as more than 1 % of the answers above it."""

FEWEST_ANSWERS = 40
"""Answers below which nothing is said. Chosen so that a fault of half the requests can't hide behind luck (2^-40)."""

FEWEST_FAILURES = 5
"""Failures below which no share counts as too high: three unlucky requests of a quiet night are no fault."""

UNHEALTHY_IN_A_ROW = 3
"""Health reports in a row that must be bad; a second apart."""

RESTARTS_LIMIT = 2
"""Restarts of the new version's replicas during the watch that are one too many: the first may be the machine's fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Requests of one colour in one look: members' and probes'."""

    answers: int = 0
    errors: int = 0
    slow: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Everything that was seen of both colours since the last look."""

    at: datetime
    new: Tally
    old: Tally
    """Nothing but zeros where there is no old version."""
    new_health: bool | None
    """Whether the new version's health report was fine; None when it was not asked this time."""
    old_health: bool | None
    new_restarts: int
    """Restarts of the new version's replicas since the switch."""


@dataclass(slots=True, kw_only=True)
class Watch:
    """What the looks so far say together. Fed by `see`, asked by `rolls_back` after each look and by `concludes` at the end."""

    errors: Detector = field(default_factory=Detector)
    slow: Detector = field(default_factory=Detector)
    looks: deque[Look] = field(default_factory=deque)
    """The looks of the last five minutes."""
    new_unhealthy: int = 0
    old_unhealthy: int = 0

    def see(self, look: Look) -> None:
        """Take one more look into account."""
        self.looks.append(look)
        while look.at - self.looks[0].at > ERROR_RATE_WINDOW:
            self.looks.popleft()
        old = total(seen.old for seen in self.looks)
        self.errors = self.errors.seeing(
            failures=look.new.errors, answers=look.new.answers, allowed=max(ERROR_RATE_LIMIT, upper_bound(old.errors, old.answers) if old.errors else 0)
        )
        self.slow = self.slow.seeing(
            failures=look.new.slow, answers=look.new.answers, allowed=max(SLOW_SHARE_LIMIT, upper_bound(old.slow, old.answers) if old.slow else 0)
        )
        if look.new_health is not None:
            self.new_unhealthy = 0 if look.new_health else self.new_unhealthy + 1
        if look.old_health is not None:
            self.old_unhealthy = 0 if look.old_health else self.old_unhealthy + 1

    def rolls_back(self) -> RollBack | None:
        """Return why the members must go back now; None while there is no reason."""
        new, old = total(look.new for look in self.looks), total(look.old for look in self.looks)
        if self.errors.sure and new.errors >= FEWEST_FAILURES:
            return RollBack(
                reason=f"errors: {share(new.errors, new.answers)} of the new version's answers failed, {share(old.errors, old.answers)} of the old one's"
            )
        if self._window_is_full() and exceeds_error_rate(new) and not exceeds_error_rate(old):
            return RollBack(reason=f"errors: {share(new.errors, new.answers)} over 5 minutes, above the limit of {ERROR_RATE_LIMIT:.0%}")
        if self.slow.sure and new.slow >= FEWEST_FAILURES:
            return RollBack(reason=f"slow: {share(new.slow, new.answers)} of the new version's answers took more than {SLOW_LIMIT_MS:.0f} ms")
        if self.new_unhealthy >= UNHEALTHY_IN_A_ROW and not self.old_unhealthy:
            return RollBack(reason=f"health: the new version reported itself unhealthy {self.new_unhealthy} times in a row")
        if self.looks and self.looks[-1].new_restarts >= RESTARTS_LIMIT:
            return RollBack(reason=f"restarts: the new version's replicas ended by themselves {self.looks[-1].new_restarts} times")
        return None

    def concludes(self, *, seen: Figures, blind: bool) -> Verdict:
        """Return the verdict when the time is up; `seen` counts from the switch on, `blind` says that the data plane is silent."""
        bad = self.rolls_back()
        if bad:
            return bad
        if blind:
            return NotEnoughData(reason="the data plane does not say any more what it counts")
        if seen.answers < FEWEST_ANSWERS:
            return NotEnoughData(reason=f"{seen.answers} answers in the whole watch; {FEWEST_ANSWERS} are the least that say anything")
        if self.new_unhealthy:
            return NotEnoughData(reason="the last health report of the new version was bad, or did not come")
        whole, old = Tally(answers=seen.answers, errors=seen.errors), total(look.old for look in self.looks)
        if exceeds_error_rate(whole) and not exceeds_error_rate(old):
            return RollBack(reason=f"errors: {share(seen.errors, seen.answers)} over the whole watch, above the limit of {ERROR_RATE_LIMIT:.0%}")
        outside = exceeds_error_rate(whole) and exceeds_error_rate(old)
        return Keep(
            reason=f"a fault outside hits both versions alike: {share(seen.errors, seen.answers)} and {share(old.errors, old.answers)} failed"
            if outside
            else f"{share(seen.errors, seen.answers)} of {seen.answers} answers failed, none of the limits was passed"
        )

    def _window_is_full(self) -> bool:
        return bool(self.looks) and self.looks[-1].at - self.looks[0].at >= ERROR_RATE_WINDOW - timedelta(seconds=5)


def exceeds_error_rate(seen: Tally) -> bool:
    """Whether the document's limit is passed: strictly more than 5 %, and more than a handful."""
    return seen.errors >= FEWEST_FAILURES and seen.errors > ERROR_RATE_LIMIT * seen.answers


def total(tallies: Iterable[Tally]) -> Tally:
    """Return the sum."""
    kept = tuple(tallies)
    return Tally(answers=sum(t.answers for t in kept), errors=sum(t.errors for t in kept), slow=sum(t.slow for t in kept))


def share(part: int, whole: int) -> str:
    """Return `part` of `whole` as people read it: `4.2 %`, or `none seen` without a whole."""
    return f"{part / whole:.1%}".replace("%", " %") if whole else "none seen"
