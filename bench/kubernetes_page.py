"""What the ways did, side by side, and what of it was promised. Pure."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from kubernetes_rules import LastAnswer, Switch, first_answers, last_answers
from measured import Promise, milliseconds, ratio, seconds, table
from unioneyes.simulators.report import Exchange, LoadReport, Pace, summarise

OURS = "ours"
PEERS = 3
"""Ways that are measured beside ours: kubectl, Argo Rollouts, Flagger."""
LAST_OLD_ANSWER_WITHIN = timedelta(milliseconds=300)
"""Figure to reach of the design: from the command to the last answer of the old version, kept-alive connections included."""
FAULT_TO_GOOD_WITHIN = timedelta(seconds=10)
"""Figure to reach of the design: "fault injected -> good version serving again", p50."""

EXPLAINED = """\
last old: from the command to the old version's last answer, the median (and the longest); `never` where it still answered when the next switch came.
Peers' commands only give the word. API calls: of the peers, everything that the controller asked over its switches, replicas included;
of ours, an exchange by the adapters that starts one colour, switches, and stops the other, without what the control plane reads while it
watches. Memory of ours is the control plane's. The peers' analysis asks what the members' own client has counted over the last 10 s, so
without the delay of a Prometheus that scrapes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Switched:
    """What the members saw of some switches."""

    seen: LoadReport
    lost_as: tuple[tuple[str, int], ...]
    """What they got in place of an answer, the most frequent first."""
    pace: Pace
    took: timedelta
    commands: tuple[timedelta, ...]
    """How long each command took."""
    first: tuple[timedelta | None, ...]
    """From each command to the new version's first answer."""
    new: tuple[LastAnswer, ...]
    """Over connections of their own."""
    kept: tuple[LastAnswer, ...]
    """Over kept-alive ones."""

    @classmethod
    def seen_by(cls, exchanges: Sequence[Exchange], switches: Sequence[Switch], pace: Pace) -> Switched:
        """Return what these requests say of these switches."""
        due = [each.scheduled_at for each in exchanges]
        return cls(
            seen=summarise(exchanges),
            lost_as=tuple(Counter(each.error or f"status {each.status}" for each in exchanges if each.lost).most_common(4)),
            pace=pace,
            took=timedelta(seconds=max(due) - min(due)),
            commands=tuple(timedelta(seconds=each.confirmed - each.asked) for each in switches),
            first=first_answers(exchanges, switches),
            new=last_answers(exchanges, switches, connection="new"),
            kept=last_answers(exchanges, switches, connection="kept"),
        )

    @property
    def lost_per_million(self) -> float:
        """So that ways with different numbers of requests stand beside each other."""
        return self.seen.lost / self.seen.sent * 1e6

    @property
    def last_old(self) -> timedelta:
        """How long an old version answered on after the command, over its kept-alive or its new connections: the later of each switch, the median of them."""
        return timedelta(seconds=statistics.median(max(new.after, kept.after).total_seconds() for new, kept in zip(self.new, self.kept, strict=True)))

    @property
    def longest_old(self) -> timedelta:
        """The longest of all, over any connection."""
        return max(each.after for each in (*self.new, *self.kept))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What a faulty release did, and whether it was taken back."""

    fault_to_good: timedelta | None
    """From the first bad answer to the last; None where there was none."""
    bad: int
    taken_back: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one way did."""

    way: str
    configured: str
    switched: Switched
    calls: Mapping[str, float]
    """Of one switch, by verb."""
    memory: float | None
    """Of its controller, in KiB."""
    tried: tuple[Tried, ...]

    @property
    def fault_to_good(self) -> timedelta | None:
        """The median; None where nothing was measured."""
        times = [each.fault_to_good for each in self.tried if each.fault_to_good is not None]
        return timedelta(seconds=statistics.median(each.total_seconds() for each in times)) if times else None

    @property
    def asked(self) -> float:
        """Calls of one switch, in all."""
        return sum(self.calls.values())


def page(outcomes: Sequence[Outcome], *, load: str) -> str:
    """Return the outcomes side by side, ours as a share of each, and how each was configured."""
    columns = ("way", "requests", "lost", "switches", "command p50", "first new p50", "last old, new conn.", "last old, kept-alive", "p99")
    after = ("way", "API calls a switch", "of them", "controller", "faults", "taken back", "bad answers", "fault to good p50", "longest")
    ours = next((each for each in outcomes if each.way == OURS), None)
    ratios = [_beside(ours, each) for each in outcomes if ours and each is not ours]
    parts = [
        table(columns, [_switches(each) for each in outcomes]),
        table(after, [_controls(each) for each in outcomes], left=1),
        table(("ratio", "lost", "last old answer", "API calls", "controller", "fault to good"), ratios) if ratios else "",
        "\n".join(_told(each) for each in outcomes),
        EXPLAINED,
        load,
    ]
    return "\n\n".join(part for part in parts if part)


def promises(outcomes: Sequence[Outcome], *, requests: int, switches: int) -> tuple[Promise, ...]:
    """Return what was promised of ours, and that the peers stand beside it."""
    beside = [each.way for each in outcomes if each.way != OURS]
    peers = Promise(what="ways beside ours", measured=", ".join(beside) or "none", promise=f"{PEERS} measured", kept=len(beside) == PEERS)
    ours = next((each for each in outcomes if each.way == OURS), None)
    if ours is None:
        return (Promise(what="ours", measured="not measured", promise="measured", kept=False), peers)
    seen, last = ours.switched.seen, ours.switched.longest_old
    stopped = all(each.stopped for each in (*ours.switched.new, *ours.switched.kept))
    fault = ours.fault_to_good
    back = sum(each.taken_back for each in ours.tried)
    return (
        Promise(
            what=f"lost in {len(ours.switched.commands)} switches",
            measured=f"{seen.lost:,} of {seen.sent:,}",
            promise=f"0 of {REQUESTS:,}, {SWITCHES} switches",
            kept=seen.lost == 0 and seen.sent >= REQUESTS and min(switches, len(ours.switched.commands)) >= SWITCHES and requests >= REQUESTS,
        ),
        Promise(
            what="last old answer, the longest",
            measured=f"{milliseconds(last)} (median {milliseconds(ours.switched.last_old)})",
            promise=f"<= {milliseconds(LAST_OLD_ANSWER_WITHIN)}",
            kept=stopped and last <= LAST_OLD_ANSWER_WITHIN,
        ),
        Promise(
            what="fault to good, p50",
            measured=seconds(fault) if fault else "not measured",
            promise=f"<= {seconds(FAULT_TO_GOOD_WITHIN)}",
            kept=fault is not None and fault <= FAULT_TO_GOOD_WITHIN,
        ),
        Promise(what="faulty releases taken back", measured=f"{back} of {len(ours.tried)}", promise="all", kept=back == len(ours.tried) > 0),
        peers,
    )


REQUESTS, SWITCHES = 100_000, 10
"""Figures to reach of the design: "requests lost in a blue/green switch under load": 0 of 100,000, ten times running."""


def _switches(outcome: Outcome) -> tuple[str, ...]:
    switched = outcome.switched
    return (
        outcome.way,
        f"{switched.seen.sent:,}",
        f"{switched.seen.lost:,}",
        str(len(switched.commands)),
        _median(switched.commands),
        _median([each for each in switched.first if each is not None]),
        _last(switched.new),
        _last(switched.kept),
        milliseconds(switched.seen.p99),
    )


def _controls(outcome: Outcome) -> tuple[str, ...]:
    times = [each.fault_to_good for each in outcome.tried if each.fault_to_good is not None]
    return (
        outcome.way,
        f"{outcome.asked:.0f}",
        " ".join(f"{count:.0f} {verb}" for verb, count in outcome.calls.items()),
        f"{outcome.memory / 1024:.0f} MiB" if outcome.memory is not None else "none",
        str(len(outcome.tried)),
        str(sum(each.taken_back for each in outcome.tried)),
        f"{sum(each.bad for each in outcome.tried):,}",
        seconds(outcome.fault_to_good) if outcome.fault_to_good else "-",
        seconds(max(times)) if times else "-",
    )


def _beside(ours: Outcome, other: Outcome) -> tuple[str, ...]:
    mine, theirs = ours.fault_to_good, other.fault_to_good
    return (
        f"ours / {other.way}",
        ratio(ours.switched.lost_per_million, other.switched.lost_per_million),
        ratio(ours.switched.last_old.total_seconds(), other.switched.last_old.total_seconds()),
        ratio(ours.asked, other.asked),
        ratio(ours.memory, other.memory) if ours.memory and other.memory else "-",
        ratio(mine.total_seconds(), theirs.total_seconds()) if mine and theirs else "-",
    )


def _told(outcome: Outcome) -> str:
    switched = outcome.switched
    return (
        f"{outcome.way}: {outcome.configured}.\n  {switched.seen.sent / switched.took.total_seconds():.0f} requests a second for {seconds(switched.took)}; the "
        f"client was late by {milliseconds(switched.pace.behind)} at most; lost: {', '.join(f'{count:,} {why}' for why, count in switched.lost_as) or 'none'}"
    )


def _last(answers: Sequence[LastAnswer]) -> str:
    longest = max(each.after for each in answers)
    if not all(each.stopped for each in answers):
        return f"never ({longest.total_seconds():.0f} s)"
    return f"{_median([each.after for each in answers])} ({seconds_finely(longest)})"


def seconds_finely(duration: timedelta) -> str:
    """Return a duration to the hundredth of a second."""
    return f"{duration.total_seconds():.2f} s"


def _median(durations: Sequence[timedelta]) -> str:
    return seconds_finely(timedelta(seconds=statistics.median(each.total_seconds() for each in durations))) if durations else "-"
