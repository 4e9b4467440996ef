"""What replicas counted by route and by tenant, reading by reading."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from unioneyes.operations.deployment.comparison import FEWEST_FAILURES, Counts
from unioneyes.operations.deployment.model import Failing
from unioneyes.operations.deployment.slices import Slice
from unioneyes.ports.replicas import Outcome, SliceKind


@dataclass(slots=True, kw_only=True)
class Readings:
    """Of one version, since the watch began."""

    outcomes: dict[tuple[str, Slice], Counts] = field(default_factory=dict)
    """The last reading of each replica, by slice."""
    slices: dict[Slice, Counts] | None = None
    """What was counted since the last reading; None in a look into which none came."""
    before: dict[Slice, Counts] = field(default_factory=dict)
    """What the replicas' first readings said, in the look that took them in; else nothing."""

    def begin_look(self) -> None:
        """Nothing was read since the last look yet."""
        self.slices, self.before = None, {}

    def take(self, outcomes: tuple[Outcome, ...]) -> None:
        """Take one reading into account: a replica's first says what was before, each later one what was added; one that fell began anew."""
        reading = {(each.replica, Slice(kind=each.kind, name=each.name)): (each.errors, each.answers) for each in outcomes}
        earlier = self.outcomes
        slices = self.slices = self.slices or {}
        read_before = {replica for replica, _ in earlier}
        for (replica, part), (errors, answers) in reading.items():
            had_errors, had_answers = earlier.get((replica, part), (0, 0))
            began_anew = answers < had_answers or errors < had_errors or errors - had_errors > answers - had_answers
            more = (errors, answers) if began_anew else (errors - had_errors, answers - had_answers)
            added = slices if replica in read_before else self.before
            if more[1]:
                sum_errors, sum_answers = added.get(part, (0, 0))
                added[part] = (sum_errors + more[0], sum_answers + more[1])
        self.outcomes = {**earlier, **reading}

    @property
    def added(self) -> Counts:
        """All that was counted since the last reading: each request has one route."""
        routes = [counts for part, counts in (self.slices or {}).items() if part.kind is SliceKind.ROUTE]
        return sum(errors for errors, _ in routes), sum(answers for _, answers in routes)


def failing(outcomes: Iterable[Outcome]) -> tuple[Failing, ...]:
    """Return the routes and tenants in which replicas failed more than a handful of times: the others excuse nobody."""
    sums: dict[Slice, Counts] = {}
    for each in outcomes:
        errors, answers = sums.get(part := Slice(kind=each.kind, name=each.name), (0, 0))
        sums[part] = (errors + each.errors, answers + each.answers)
    return tuple(
        Failing(kind=part.kind, name=part.name, failures=errors, answers=answers) for part, (errors, answers) in sums.items() if errors >= FEWEST_FAILURES
    )


def by_slice(known: Iterable[Failing]) -> Mapping[Slice, Counts]:
    """Return the same, as the rules read it."""
    return {Slice(kind=each.kind, name=each.name): (each.failures, each.answers) for each in known}
