"""The watch's decision, as pure rules over what was seen: keep, roll back, or not enough data.

Green is compared with blue on the same seconds: blue is probed while it is warm, so a fault outside that hits both alike rolls nothing back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from unioneyes.operations.deployment.beside import Excess
from unioneyes.operations.deployment.comparison import FEWEST_FAILURES, Comparison, Counts, share
from unioneyes.operations.deployment.model import Keep, NotEnoughData, RollBack, Verdict
from unioneyes.operations.deployment.sequential import above, spared
from unioneyes.operations.deployment.slices import Slice, Slices

ERROR_RATE_LIMIT = 0.05
"""Share of failed requests, 0-1, over 5 minutes. Source: Rollback Procedures, "Error rate > 5% within 5 minutes"."""

ERROR_RATE_WINDOW = timedelta(minutes=5)
"""Source: the same line."""

SLOW_LIMIT_MS = 2000.0
"""Milliseconds. Source: Key Metrics, "Response Time (P99) > 2000ms"."""

SLOW_SHARE_LIMIT = 0.01
"""Share of answers, 0-1, that may be slower: a P99 above the limit is the same as more than 1 % of the answers above it."""

HAMPERED_MS = 500.0
"""Milliseconds from which on a probe's answer says that its version is not well, though it is no failure. What makes a version that carries all members fail
makes one that gets only probes slow: nobody queues there."""

FEWEST_ANSWERS = 40
"""Answers below which nothing is said. Chosen so that a fault of half the requests can't hide behind luck (2^-40)."""

UNHEALTHY_IN_A_ROW = 3
"""Health reports in a row that must be bad, `HEALTH_EVERY` apart."""
HEALTH_EVERY = timedelta(seconds=1)

HEALTHY_BESIDE = 2
"""Good health reports of the old version since the new one's first bad one: a fault outside reaches both within a second or two."""

HALF = 0.5
"""Share of answers, 0-1, that would suffer if what makes the new version unhealthy were outside."""

RESTARTS_LIMIT = 2
"""Restarts of the new version's replicas during the watch that are one too many: the first may be the machine's fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Requests of one colour in one look: members' and probes'."""

    answers: int = 0
    errors: int = 0
    slow: int = 0
    hampered: int = 0
    """Probes that took longer than `HAMPERED_MS`."""

    @property
    def suffering(self) -> Counts:
        """What excuses a version beside which this one stands: (failed, slow or hampered; answers)."""
        return min(self.errors + max(self.slow, self.hampered), self.answers), self.answers

    @property
    def suffers(self) -> bool:
        """Whether this version passes a limit, so that it excuses the one beside which it stands."""
        bad, answers = self.suffering
        return bad > ERROR_RATE_LIMIT * answers or self.slow > SLOW_SHARE_LIMIT * answers


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was seen of one version since the last look."""

    tally: Tally = Tally()
    healthy: bool | None = None
    """Whether its health report was fine; None when none came."""
    restarts: int = 0
    """Restarts of its replicas since the watch began."""
    ended: str | None = None
    """How one of its replicas ended by itself, in words; None where none did."""
    ready: int | None = None
    """Replicas that are ready; None when nobody can say."""
    answered: bool | None = None
    """Whether a probe was answered well; None when no answer was due."""
    log_errors: int | None = None
    """ERROR lines that it logged since the switch; None when its logs were not read this time."""
    slices: Mapping[Slice, Counts] | None = None
    """Its answers by route and by tenant since the last reading, members' and probes'; those without any are left out. None when no reading came."""
    before: Mapping[Slice, Counts] = field(default_factory=dict)
    """The same, all that its replicas had counted when the watch began; told once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Everything that was seen of both versions since the last look."""

    at: datetime
    new: Seen
    old: Seen | None
    """None where there is no old version."""
    split: bool = False
    """True while both versions get members."""


@dataclass(slots=True, kw_only=True)
class Watch:
    """What the looks so far say together. Fed by `see`, asked by `rolls_back` after each look and by `concludes` at the end."""

    errors: Comparison = field(default_factory=lambda: Comparison(limit=ERROR_RATE_LIMIT))
    slow: Comparison = field(default_factory=lambda: Comparison(limit=SLOW_SHARE_LIMIT))
    slices: Slices = field(default_factory=lambda: Slices(limit=ERROR_RATE_LIMIT))
    looks: deque[Look] = field(default_factory=deque)
    """The looks of the last five minutes."""
    window: Tally = field(default_factory=Tally)
    """What they add up to for the new version, kept as they come and go: a look costs the same however long the watch is."""
    window_old: Tally = field(default_factory=Tally)
    window_excess: Excess = field(default_factory=Excess)
    """Of errors, in the window's looks."""
    whole: Tally = field(default_factory=Tally)
    """The new version since the switch."""
    whole_old: Tally = field(default_factory=Tally)
    whole_excess: Excess = field(default_factory=Excess)
    """Of errors."""
    slow_excess: Excess = field(default_factory=Excess)
    new_unhealthy: int = 0
    """Bad health reports in a row."""
    reports: Counts = (0, 0)
    """Bad health reports of the new version, and all of them."""
    old_healthy: int = 0
    """Good ones of the old version in a row, since the new version's first bad one."""
    old_suffering: Counts = (0, 0)
    """Of the old version since the same."""
    log_errors: int = 0
    old_log_errors: int = 0
    log_excess: Excess = field(default_factory=Excess)
    unread: Tally = field(default_factory=Tally)
    """The new version's answers since its logs were read last."""
    unread_old: Tally = field(default_factory=Tally)

    def see(self, look: Look) -> None:
        """Take one more look into account."""
        new, old = _tallies(look)
        self.looks.append(look)
        self.window, self.window_old = total((self.window, new)), total((self.window_old, old))
        while look.at - self.looks[0].at > ERROR_RATE_WINDOW:
            gone, gone_old = _tallies(self.looks.popleft())
            self.window, self.window_old = less(self.window, gone), less(self.window_old, gone_old)
            self.window_excess = self.window_excess.minus(_errors_excess(gone, gone_old))
        self.window_excess = self.window_excess.plus(_errors_excess(new, old))
        self.whole_excess = self.whole_excess.plus(_errors_excess(new, old))
        self.slow_excess = self.slow_excess.plus(Excess.of(new=(new.slow, new.answers), old=(old.slow, old.answers)))
        self.whole, self.whole_old = total((self.whole, new)), total((self.whole_old, old))
        self.errors.see(new=(new.errors, new.answers), old=old.suffering)
        self.slow.see(new=(new.slow, new.answers), old=old.suffering)
        self.slices.see(
            new=look.new.slices,
            beside=look.old.slices or {} if look.old else {},
            before=look.old.before if look.old else {},
            whole=old.suffering if look.old else None,
            split=look.split,
        )
        self._see_health(look)
        self._see_logs(look, new, old)

    def rolls_back(self) -> RollBack | None:
        """Return why the members must go back now; None while there is no reason."""
        reason = next(self._harms(self.looks[-1]), None) if self.looks else None
        return RollBack(reason=f"{reason}{self._beside(self.looks[-1].new)}") if reason else None

    def concludes(self, *, blind: bool) -> Verdict:
        """Return the verdict when the time is up; `blind` says that the data plane is silent."""
        bad = self.rolls_back()
        if bad:
            return bad
        unknown = self._unknown(blind=blind)
        if unknown:
            return NotEnoughData(reason=unknown)
        failed, slow = share(self.whole.errors, self.whole.answers), share(self.whole.slow, self.whole.answers)
        if not (exceeds_error_rate(self.whole) or exceeds_slow_share(self.whole)):
            flaps = f"; {self.reports[0]} of {self.reports[1]} health reports were bad" if self.reports[0] else ""
            return Keep(reason=f"{failed} of {self.whole.answers} answers failed, none of the limits was passed{flaps}")
        if self._all_alike():
            return Keep(reason=f"a fault outside hits both versions alike: {failed} and {share(self.whole_old.errors, self.whole_old.answers)} failed")
        return RollBack(reason=f"over the whole watch {failed} of the new version's answers failed, and {slow} took more than {SLOW_LIMIT_MS:.0f} ms")

    @property
    def can_tell(self) -> bool:
        """Whether there is enough to say something when the time is up. One bad health report at the very end is looked at again, and is not the verdict."""
        return self._unknown(blind=False) is None

    def exceeds_over_window(self) -> bool:
        """Whether the new version fails too often over the document's five minutes, and the old one does not."""
        return self.window_is_full() and exceeds_error_rate(self.window) and not _alike(self.window_old, self.window_old.errors, self.window_excess)

    def window_is_full(self) -> bool:
        """Whether five minutes were seen."""
        return bool(self.looks) and self.looks[-1].at - self.looks[0].at >= ERROR_RATE_WINDOW - timedelta(seconds=5)

    def is_unhealthy(self) -> bool:
        """Whether the new version says so of itself, again and again, and the old one is well in the same seconds: it says so, and answers as it should."""
        beside_old = bool(self.looks) and self.looks[-1].old is not None
        failures, answers = self.old_suffering
        old_is_well = self.old_healthy >= HEALTHY_BESIDE and spared(failures=failures, answers=answers, fine=ERROR_RATE_LIMIT, failing=HALF)
        return self.new_unhealthy >= UNHEALTHY_IN_A_ROW and (not beside_old or old_is_well)

    def keeps_ending(self) -> bool:
        """Whether the new version's replicas end by themselves, and more often than the old one's."""
        if not self.looks:
            return False
        new, old = self.looks[-1].new, self.looks[-1].old
        return new.restarts >= RESTARTS_LIMIT and new.restarts > (old.restarts if old else 0)

    def logs_errors(self) -> bool:
        """Whether the logs convict: as surely as answers would, for they are read again and again too."""
        logged = _at_most(self.log_errors, self.whole)
        sure = self.whole.answers >= FEWEST_ANSWERS and above(failures=logged, answers=self.whole.answers, allowed=ERROR_RATE_LIMIT)
        old = replace(self.whole_old, errors=self.old_log_errors)
        return sure and not _alike(old, old.errors, self.log_excess)

    def _harms(self, last: Look) -> Iterator[str]:
        """Yield what speaks against the new version, and not against the old one too."""
        beside_old = last.old is not None
        if self.errors.convicts(beside_old=beside_old):
            yield f"errors: {share(*self.errors.new)} of the new version's answers failed; {_beside(self.errors)}"
        if self.slow.convicts(beside_old=beside_old):
            yield f"slow: {share(*self.slow.new)} of the new version's answers took more than {SLOW_LIMIT_MS:.0f} ms; {_beside(self.slow)}"
        yield from self.slices.convicted()
        if self.exceeds_over_window():
            yield f"errors: {share(self.window.errors, self.window.answers)} over 5 minutes, above the limit of {ERROR_RATE_LIMIT:.0%}"
        if self.is_unhealthy():
            yield f"health: the new version reported itself unhealthy {self.new_unhealthy} times in a row"
        if self.keeps_ending():
            yield f"restarts: the new version's replicas ended by themselves {last.new.restarts} times"
        if self.logs_errors():
            yield f"log errors: the new version logged {self.log_errors} errors for {self.whole.answers} answers"

    @staticmethod
    def _beside(new: Seen) -> str:
        """Return how the new version's replicas end by themselves, whatever convicts it: that is why, more often than not."""
        return f"; one of its replicas ended by itself, with {new.ended}" if new.ended else ""

    def _unknown(self, *, blind: bool) -> str | None:
        """Return why nothing can be said; None when something can."""
        if blind:
            return "the data plane does not say any more what it counts"
        if self.whole.answers < FEWEST_ANSWERS:
            return f"{self.whole.answers} answers in the whole watch; {FEWEST_ANSWERS} are the least that say anything"
        if self.new_unhealthy:
            return "the last health report of the new version was bad, or did not come"
        return None

    def _see_health(self, look: Look) -> None:
        if look.new.healthy is not None:
            self.reports = (self.reports[0] + (not look.new.healthy), self.reports[1] + 1)
        if look.new.healthy:
            self.new_unhealthy = self.old_healthy = 0
            self.old_suffering = (0, 0)
        elif look.new.healthy is False:
            self.new_unhealthy += 1
        if look.old is None or not self.new_unhealthy:
            return
        failures, answers = look.old.tally.suffering
        self.old_suffering = (self.old_suffering[0] + failures, self.old_suffering[1] + answers)
        if look.old.healthy is not None:
            self.old_healthy = self.old_healthy + 1 if look.old.healthy else 0

    def _see_logs(self, look: Look, new: Tally, old: Tally) -> None:
        self.unread, self.unread_old = total((self.unread, new)), total((self.unread_old, old))
        if look.new.log_errors is None:
            return
        old_logged = look.old.log_errors if look.old and look.old.log_errors is not None else self.old_log_errors
        self.log_excess = self.log_excess.plus(
            Excess.of(
                new=(_at_most(look.new.log_errors - self.log_errors, self.unread), self.unread.answers),
                old=(_at_most(old_logged - self.old_log_errors, self.unread_old), self.unread_old.answers),
            )
        )
        self.log_errors, self.old_log_errors, self.unread, self.unread_old = look.new.log_errors, old_logged, Tally(), Tally()

    def _all_alike(self) -> bool:
        """Whether the old version suffers, over the whole watch, whatever the new one does."""
        return not (
            (exceeds_error_rate(self.whole) and not _alike(self.whole_old, self.whole_old.errors, self.whole_excess))
            or (exceeds_slow_share(self.whole) and not _alike(self.whole_old, self.whole_old.slow, self.slow_excess))
        )


def exceeds_slow_share(seen: Tally) -> bool:
    """Whether the P99 is above the document's limit: strictly more than 1 % slower, and more than a handful."""
    return seen.slow >= FEWEST_FAILURES and seen.slow > SLOW_SHARE_LIMIT * seen.answers


def exceeds_error_rate(seen: Tally) -> bool:
    """Whether the document's limit is passed: strictly more than 5 %, and more than a handful."""
    return seen.errors >= FEWEST_FAILURES and seen.errors > ERROR_RATE_LIMIT * seen.answers


def _alike(old: Tally, failures: int, excess: Excess) -> bool:
    """Whether the old version passes a limit too, over the same time, or fails as often as the new one does but for luck; `failures` are the old one's."""
    return old.suffers or (failures >= FEWEST_FAILURES and not excess.beyond_luck)


def _errors_excess(new: Tally, old: Tally) -> Excess:
    return Excess.of(new=(new.errors, new.answers), old=(old.errors, old.answers))


def _at_most(lines: int, of: Tally) -> int:
    """Return how many answers can stand behind that many lines: a log that fell because it was rotated says nothing."""
    return max(0, min(lines, of.answers))


def _beside(seen: Comparison) -> str:
    return f"{share(*seen.old)} of the old one's failed, or were probes that took more than {HAMPERED_MS:.0f} ms"


def _tallies(look: Look) -> tuple[Tally, Tally]:
    return look.new.tally, look.old.tally if look.old else Tally()


def total(tallies: Iterable[Tally]) -> Tally:
    """Return the sum."""
    kept = tuple(tallies)
    return Tally(
        answers=sum(each.answers for each in kept),
        errors=sum(each.errors for each in kept),
        slow=sum(each.slow for each in kept),
        hampered=sum(each.hampered for each in kept),
    )


def less(whole: Tally, part: Tally) -> Tally:
    """Return what is left of `whole`."""
    return Tally(answers=whole.answers - part.answers, errors=whole.errors - part.errors, slow=whole.slow - part.slow, hampered=whole.hampered - part.hampered)
