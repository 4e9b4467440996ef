"""Healthy deployments replayed through the real verdict, and faulty ones beside them: what a quick detection costs in false rollbacks.

A replay is a watch of ten minutes at two looks a second: members' requests as a Poisson process whose rate follows one of four kinds of traffic, ten probes a
second and colour, errors and slow answers below the document's limits that come in clumps, a health report that is lost now and then, a replica that once
ends by itself. Members ask eight routes, for one to forty tenants, some of them a thousand times as often as others; each has errors of its own, below the
limit too. Nothing of the verdict is simulated: each look is given to `Watch` as `watch_release` gives it.

    .venv/bin/python bench/bench_false_rollbacks.py [--healthy 2000] [--outside 600] [--faulty 60] [--seed 1]

Replay N of a kind draws from `random.Random("SEED:KIND:N")` alone, so each can be played again by itself. It ends non-zero when more than one healthy
deployment in a thousand goes back.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import partial
from itertools import groupby

from measured import Promise, conclude, table
from unioneyes.operations.deployment.comparison import Counts
from unioneyes.operations.deployment.model import Keep, NotEnoughData, RollBack, Verdict
from unioneyes.operations.deployment.slices import Slice
from unioneyes.operations.deployment.steps import MORE_DATA_WITHIN
from unioneyes.operations.deployment.verdict import ERROR_RATE_LIMIT, SLOW_SHARE_LIMIT, Look, Seen, Tally, Watch
from unioneyes.ports.replicas import SliceKind

BAKE = timedelta(minutes=10)
LONGEST = BAKE + MORE_DATA_WITHIN
LOOKS_A_SECOND = 2
PROBES_A_LOOK = 5
"""Of each colour. Source: watch.py, `PROBES_EVERY`."""
LOGS_EVERY_LOOKS = 10
"""Source: watch.py, `LOGS_EVERY`."""
START = datetime(2026, 2, 9, 14, 30, tzinfo=UTC)
FALSE_ROLLBACKS = 1 / 1000
"""Share of healthy deployments that may go back. Source: the design's figures to reach."""
OUTSIDE_ROLLBACKS = 1 / 100
"""Share of faults outside that may be taken for the new version's. Source: sequential.py, `SPARED`."""
PROBED = Slice(kind=SliceKind.ROUTE, name="GET /api/claims")
ROUTES = {
    PROBED: 50,
    Slice(kind=SliceKind.ROUTE, name="GET /api/claims/{claim_id}"): 25,
    Slice(kind=SliceKind.ROUTE, name="POST /api/sign-in"): 9,
    Slice(kind=SliceKind.ROUTE, name="POST /api/claims"): 8,
    Slice(kind=SliceKind.ROUTE, name="POST /api/claims/{claim_id}/transition"): 5,
    Slice(kind=SliceKind.ROUTE, name="GET /api/members"): 2,
    Slice(kind=SliceKind.ROUTE, name="POST /api/claims/{claim_id}/assign"): 1,
}
"""What members ask for, and how often of a hundred requests."""
SUBMIT = Slice(kind=SliceKind.ROUTE, name="POST /api/claims")
FEWEST_TENANTS, MOST_TENANTS = 2, 40


class Traffic(StrEnum):
    """How many members come when."""

    NOISY = "noisy"
    """A level that jitters from second to second by a third."""
    BURSTY = "bursty"
    """Quiet, and again and again eight times as much for some seconds."""
    LOW = "low"
    """From one request in twenty seconds to one a second."""
    DIURNAL = "diurnal"
    """Somewhere on a day's curve, whose trough is a twentieth of its peak; rises or falls meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that begins during the watch."""

    begins: float
    """Seconds since the switch."""
    lasts: float = math.inf
    errors: float = 0.0
    """Share of answers that fail, 0-1, meanwhile."""
    slow: float = 0.0
    """Share of answers that take longer than 2 s."""
    only: Slice | None = None
    """Where, when not everywhere."""

    def hits(self, each: Slice) -> bool:
        """Whether all answers of that route, or of that tenant, may be hit."""
        return self.only is None or self.only == each

    def at(self, second: float) -> bool:
        """Whether it is there."""
        return self.begins <= second < self.begins + self.lasts


NONE = Fault(begins=math.inf)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """What one replay plays."""

    kind: str
    """Names it, with `number`, in its seed."""
    number: int
    traffic: Traffic | float
    """A kind, or requests a second as they come."""
    new: Fault = NONE
    """A fault of the new version."""
    outside: Fault = NONE
    """One that hits both alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a replay ended."""

    kind: str
    number: int
    verdict: Verdict
    after: float
    """Seconds since the fault began, or since the switch where there was none."""
    answers: int
    """Of the new version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Background:
    """What goes wrong all the time, below every limit."""

    errors: float
    """Share of answers, 0-1."""
    slow: float
    clumps: float
    """How unevenly they come: the coefficient of variation of a second's share."""
    deaf: float
    """Share of health reports that do not come or are bad."""
    restarts_at: float
    """When a replica ends by itself, once; infinite for most."""

    @classmethod
    def of(cls, chance: random.Random) -> Background:
        """Return one as they are found: most have hardly an error, some are close below the limits."""
        return cls(
            errors=min(_log_uniform(chance, 0.0002, 0.03), 0.6 * ERROR_RATE_LIMIT),
            slow=min(_log_uniform(chance, 0.0001, 0.006), 0.6 * SLOW_SHARE_LIMIT),
            clumps=chance.uniform(0.3, 1.5),
            deaf=chance.choice((0.0, 0.001, 0.005)),
            restarts_at=chance.uniform(0, 600) if chance.random() < 1 / 20 else math.inf,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Usual:
    """What is usual of one route, or of one tenant."""

    asked: float
    """Share of the members' requests, 0-1."""
    errors: float
    """Share of its answers that fail, 0-1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Who the members are and what they ask for, and what goes wrong with it all the time, with the old version as with the new one."""

    routes: Mapping[Slice, Usual]
    tenants: Mapping[Slice, Usual]

    @classmethod
    def of(cls, chance: random.Random, errors: float) -> Service:
        """Return one whose routes and tenants fail differently often, about `errors` (0-1) of all answers, each below the limit."""
        tenants = {tenant(number): 1 / (number + 1) for number in range(round(_log_uniform(chance, FEWEST_TENANTS, MOST_TENANTS)))}
        return cls(routes=_usual(chance, ROUTES, errors), tenants=_usual(chance, tenants, errors))

    def answered(self, chance: random.Random, requests: float, clump: float, faults: tuple[Fault, ...]) -> dict[Slice, Counts]:
        """Return (failures, answers) of each route and tenant that about so many `requests` reach; `clump` is how much more than usual goes wrong."""
        routes: dict[Slice, Counts] = {}
        as_usual = 0
        for route, usual in self.routes.items():
            answers = _poisson(chance, requests * usual.asked)
            if answers:
                failures = _binomial(chance, answers, min(usual.errors * clump, 1.0))
                as_usual += failures
                more = _binomial(chance, answers - failures, _either(*(fault.errors for fault in faults if fault.hits(route))))
                routes[route] = (failures + more, answers)
        tenants = self._by_tenant(chance, as_usual, *_sum(routes))
        for fault in faults:
            if fault.only in tenants:
                failures, answers = tenants[fault.only]
                more = _binomial(chance, answers - failures, fault.errors)
                tenants[fault.only] = (failures + more, answers)
                for route in _chosen(chance, {each: total - failed for each, (failed, total) in routes.items()}, more):
                    routes[route] = (min(routes[route][0] + 1, routes[route][1]), routes[route][1])
        return {**routes, **tenants}

    def past(self, chance: random.Random, requests: int) -> dict[Slice, Counts]:
        """Return what the old version did with so many requests before the switch."""
        return {
            each: (_binomial(chance, round(requests * usual.asked), usual.errors), round(requests * usual.asked))
            for each, usual in (*self.routes.items(), *self.tenants.items())
            if round(requests * usual.asked)
        }

    def _by_tenant(self, chance: random.Random, as_usual: int, failures: int, answers: int) -> dict[Slice, Counts]:
        """Return whom the answers were for: of what fails as usual each has a share of its own, and a fault hits all alike."""
        asked = {each: usual.asked for each, usual in self.tenants.items()}
        failed = Counter(_chosen(chance, {each: usual.asked * usual.errors for each, usual in self.tenants.items()}, as_usual))
        failed.update(_chosen(chance, asked, failures - as_usual))
        fine = Counter(_chosen(chance, asked, answers - failures))
        return {each: (failed[each], failed[each] + fine[each]) for each in self.tenants if failed[each] + fine[each]}


def tenant(number: int) -> Slice:
    """Return the tenant of that number; the first is the largest."""
    return Slice(kind=SliceKind.TENANT, name=f"{number:08x}")


def main() -> int:
    """Replay all, print what became of them, and say whether the promise holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--healthy", type=int, default=2_000, help="healthy deployments (%(default)s)")
    parser.add_argument("--outside", type=int, default=600, help="healthy ones during which something outside fails (%(default)s)")
    parser.add_argument("--faulty", type=int, default=60, help="of each fault at each level of traffic (%(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    began = time.monotonic()
    with ProcessPoolExecutor(max_workers=arguments.processes) as pool:
        run = partial(_replay_all, pool, arguments.seed)
        healthy = run("healthy", [Deployment(kind=kind, number=n, traffic=kind) for kind in Traffic for n in range(arguments.healthy // len(Traffic))])
        outside = run("fault outside", list(outside_faults(arguments.outside, arguments.seed)))
        unprobed = run("fault outside of one route", list(outside_faults(arguments.outside // 6, arguments.seed, only=SUBMIT)))
        faulty = run("faulty", list(faulty_deployments(arguments.faulty, arguments.seed)))
    text = "\n\n".join(
        (
            setting(arguments.seed),
            "healthy deployments, and healthy ones during which a fault outside hits both versions alike:",
            kept_page([*healthy, *outside]),
            f"a fault outside that hits both in {SUBMIT} only, for which no probe asks: it can't be told from the new version's after the switch (decision 4):",
            counts_page(unprobed),
            "faulty ones: seconds from the fault's beginning to the verdict, p50 / p99; and how many of them were never found where not all were:",
            delay_page(faulty),
        )
    )
    print(f"{len(healthy) + len(outside) + len(unprobed) + len(faulty):,} replays in {time.monotonic() - began:.0f} s")
    return conclude("verdict", title="The verdict: false rollbacks, and seconds to the true ones", text=text, promises=promises(healthy, outside, faulty))


def setting(seed: int) -> str:
    """Return what every replay has in common."""
    minutes, probes = BAKE / timedelta(minutes=1), LOOKS_A_SECOND * PROBES_A_LOOK
    draws = f'replay N of a kind draws from random.Random("{seed}:KIND:N")'
    return f"seed {seed}: {draws}; {minutes:.0f} minutes each, {LOOKS_A_SECOND} looks a second, {probes} probes a second and colour"


def promises(healthy: list[Ended], outside: list[Ended], faulty: list[Ended]) -> tuple[Promise, ...]:
    """Return what was promised of the verdict."""
    back, mistaken = len(rolled_back(healthy)), len(rolled_back(outside))
    plain = [ended for ended in faulty if "20 %" in ended.kind or "50 %" in ended.kind or "100 %" in ended.kind]
    missed = len(plain) - len(rolled_back(plain))
    hidden = [ended for ended in faulty for name in IN_ONE for level in LEVELS if level >= BUSY and ended.kind == kind_of(name, level)]
    unseen = len(hidden) - len(rolled_back(hidden))
    return (
        Promise(
            what="healthy deployments rolled back",
            measured=f"{back} of {len(healthy):,}",
            promise="at most 1 in 1,000, over 1,000 or more",
            kept=len(healthy) >= 1 / FALSE_ROLLBACKS and back <= FALSE_ROLLBACKS * len(healthy),
        ),
        Promise(
            what="faults outside taken for the new version's",
            measured=f"{mistaken} of {len(outside):,}",
            promise="at most 1 in 100",
            kept=bool(outside) and mistaken <= OUTSIDE_ROLLBACKS * len(outside),
        ),
        Promise(what="faults of 20 % and more that were kept", measured=f"{missed} of {len(plain):,}", promise="0", kept=bool(plain) and missed == 0),
        Promise(
            what=f"one broken route or tenant that was kept, at {BUSY:g}/s and more",
            measured=f"{unseen} of {len(hidden):,}",
            promise="0",
            kept=bool(hidden) and unseen == 0,
        ),
    )


def outside_faults(count: int, seed: int, only: Slice | None = None) -> Iterator[Deployment]:
    """Yield healthy deployments during which a network, a database or a vendor fails for a while, for both versions alike; `only` in one route, with errors."""
    for number in range(count):
        chance = random.Random(f"{seed}:the fault outside:{number}")  # noqa: S311 - a replay is to be repeatable, not secret
        share, slow = _log_uniform(chance, 0.08, 1.0), chance.random() < 1 / 3 and only is None
        yield Deployment(
            kind="one route outside" if only else "slow outside" if slow else "errors outside",
            number=number,
            traffic=chance.choice(tuple(Traffic)),
            outside=Fault(begins=chance.uniform(0, 540), lasts=_log_uniform(chance, 3, 300), errors=0 if slow else share, slow=share if slow else 0, only=only),
        )


IN_ONE = ("half of one route", "all of one tenant")
"""Faults that the average hides."""
FAULTS = {
    "6 % fail": Fault(begins=0, errors=0.06),
    "10 % fail": Fault(begins=0, errors=0.10),
    "20 % fail": Fault(begins=0, errors=0.20),
    "50 % fail": Fault(begins=0, errors=0.50),
    "100 % fail": Fault(begins=0, errors=1.00),
    "2 % slow": Fault(begins=0, slow=0.02),
    "5 % slow": Fault(begins=0, slow=0.05),
    "33 % slow": Fault(begins=0, slow=0.33),
    "half of one route": Fault(begins=0, errors=0.5, only=SUBMIT),
    "all of one tenant": Fault(begins=0, errors=1.0, only=tenant(1)),
}
LEVELS = (0.0, 1.0, 10.0, 50.0, 200.0)
"""Members' requests a second, beside the probes."""
BUSY = 10.0
"""Of them, those at which one route or one tenant is asked often enough to be found."""


def faulty_deployments(count: int, seed: int) -> Iterator[Deployment]:
    """Yield deployments whose fault begins at the switch, or up to five minutes after it."""
    for name, fault in FAULTS.items():
        for level in LEVELS:
            for number in range(count):
                chance = random.Random(f"{seed}:the fault's beginning:{name}:{level}:{number}")  # noqa: S311 - as above
                begins = 0.0 if number % 2 else chance.uniform(0, 300)
                yield Deployment(kind=kind_of(name, level), number=number, traffic=level, new=replace(fault, begins=begins))


def kind_of(fault: str, level: float) -> str:
    """Return how the replays of one fault at one level of traffic are called."""
    return f"{fault} @ {level:g}/s"


def replay(deployment: Deployment, *, seed: int) -> Ended:
    """Return how the watch of one deployment ended."""
    watch = Watch()
    began = 0.0 if math.isinf(deployment.new.begins) else deployment.new.begins
    verdict: Verdict | None = None
    second = 0.0
    for look in looks(deployment, random.Random(f"{seed}:{deployment.kind}:{deployment.number}")):  # noqa: S311 - as above
        watch.see(look)
        second = (look.at - START).total_seconds()
        verdict = watch.rolls_back()
        if verdict or (second >= BAKE.total_seconds() and watch.can_tell):
            break
    return Ended(
        kind=deployment.kind, number=deployment.number, verdict=verdict or watch.concludes(blind=False), after=second - began, answers=watch.whole.answers
    )


def looks(deployment: Deployment, chance: random.Random) -> Iterator[Look]:
    """Yield what is seen during the watch."""
    background = Background.of(chance)
    service = Service.of(chance, background.errors)
    past = service.past(chance, round(_log_uniform(chance, 100, 100_000)))
    rates = traffic_rates(deployment.traffic, chance)
    logged = old_logged = 0
    rate = clump = slow = 0.0
    counted: list[dict[Slice, Counts]] = []
    counted_old: list[dict[Slice, Counts]] = []
    for number in range(int(LONGEST.total_seconds()) * LOOKS_A_SECOND):
        second = (number + 1) / LOOKS_A_SECOND
        if number % LOOKS_A_SECOND == 0:
            rate, clump, slow = next(rates), _clump(chance, background.clumps), min(background.slow * _clump(chance, background.clumps), 1.0)
        outside = deployment.outside if deployment.outside.at(second) else NONE
        ours = deployment.new if deployment.new.at(second) else NONE
        members = service.answered(chance, rate / LOOKS_A_SECOND, clump, (outside, ours))
        probes, old_probes = _probes(chance, background.errors * clump, (outside, ours)), _probes(chance, background.errors * clump, (outside,))
        new = _tally(chance, (_sum({each: members[each] for each in ROUTES if each in members}), probes), _either(slow, outside.slow, ours.slow))
        old = _tally(chance, (old_probes,), _either(slow, outside.slow))
        logged, old_logged = logged + new.errors, old_logged + old.errors
        counted, counted_old = [*counted, members, {PROBED: probes}], [*counted_old, {PROBED: old_probes}]
        asked, read = number % LOOKS_A_SECOND == 0, number % LOGS_EVERY_LOOKS == 0
        yield Look(
            at=START + timedelta(seconds=second),
            new=Seen(
                tally=new,
                healthy=chance.random() >= background.deaf if asked else None,
                restarts=int(second >= background.restarts_at),
                log_errors=logged if read else None,
                slices=_together(counted) if asked else None,
            ),
            old=Seen(
                tally=old,
                healthy=chance.random() >= background.deaf if asked else None,
                log_errors=old_logged if read else None,
                slices=_together(counted_old) if asked else None,
                before=past if number == 0 else {},
            ),
        )
        if asked:
            counted, counted_old = [], []


def traffic_rates(traffic: Traffic | float, chance: random.Random) -> Iterator[float]:
    """Yield the members' requests a second, for each second."""
    match traffic:
        case Traffic.NOISY:
            level = _log_uniform(chance, 2, 120)
            while True:
                yield level * math.exp(chance.gauss(0, 1 / 3))
        case Traffic.BURSTY:
            level, burst = _log_uniform(chance, 1, 30), False
            while True:
                burst = chance.random() < (9 / 10 if burst else 1 / 30)
                yield level * (8 if burst else 1)
        case Traffic.LOW:
            level = _log_uniform(chance, 0.05, 1)
            while True:
                yield level
        case Traffic.DIURNAL:
            peak, hour = _log_uniform(chance, 10, 120), chance.uniform(0, 24)
            for second in range(int(LONGEST.total_seconds()) + 1):
                day = (1 + math.cos((hour + second / 3600 - 14) / 24 * math.tau)) / 2
                yield peak * (0.05 + 0.95 * day**2)
        case _:
            while True:
                yield traffic


def rolled_back(ended: Iterable[Ended]) -> list[Ended]:
    """Return those that went back."""
    return [one for one in ended if isinstance(one.verdict, RollBack)]


def kept_page(ended: list[Ended]) -> str:
    """Return what became of the healthy ones, by kind; each that went back is named, so that it can be played again."""
    told = [f"{one.kind} {one.number}, after {one.after:.1f} s: {one.verdict.reason}" for one in ended if not isinstance(one.verdict, Keep)]
    return "\n".join((counts_page(ended), *(("", *told) if told else ())))


def counts_page(ended: list[Ended]) -> str:
    """Return how many of each kind ended how."""
    rows = []
    for kind, found in groupby(sorted(ended, key=lambda one: one.kind), key=lambda one: one.kind):
        group = list(found)
        verdicts = [sum(isinstance(one.verdict, verdict) for one in group) for verdict in (Keep, RollBack, NotEnoughData)]
        answers = sorted(one.answers for one in group)
        rows.append(
            (str(kind), f"{len(group):,}", *(f"{count:,}" for count in verdicts), f"{answers[0]:,}", f"{answers[len(answers) // 2]:,}", f"{answers[-1]:,}")
        )
    columns = ("traffic", "replays", "kept", "rolled back", "not enough data", "fewest answers", "median", "most")
    return table(columns, rows)


def delay_page(ended: list[Ended]) -> str:
    """Return how long each fault lasted until it was found, by level of traffic."""
    by_kind = {kind: list(found) for kind, found in groupby(ended, key=lambda one: one.kind)}
    rows = [(name, *(_delay(by_kind[kind_of(name, level)]) for level in LEVELS)) for name in FAULTS]
    return table(("fault", *("probes only" if level == 0 else f"{level:g}/s" for level in LEVELS)), rows)


def _delay(group: list[Ended]) -> str:
    found = sorted(one.after for one in rolled_back(group))
    missed = len(group) - len(found)
    times = f"{statistics.median(found):.1f} / {found[math.ceil(0.99 * len(found)) - 1]:.1f}" if found else "-"
    return f"{times} ({missed} kept)" if missed else times


def _replay_all(pool: ProcessPoolExecutor, seed: int, what: str, deployments: list[Deployment]) -> list[Ended]:
    print(f"{what}: {len(deployments):,} replays", flush=True)
    return list(pool.map(partial(replay, seed=seed), deployments, chunksize=8))


def _usual(chance: random.Random, asked: Mapping[Slice, float], errors: float) -> dict[Slice, Usual]:
    """Return each with its share of the requests and errors of its own, which together are about `errors` (0-1)."""
    whole = sum(asked.values())
    own = {each: chance.lognormvariate(0, 1) for each in asked}
    mean = sum(own[each] * weight for each, weight in asked.items()) / whole
    return {each: Usual(asked=weight / whole, errors=min(errors * own[each] / mean, 0.6 * ERROR_RATE_LIMIT)) for each, weight in asked.items()}


def _probes(chance: random.Random, errors: float, faults: tuple[Fault, ...]) -> Counts:
    """Return (failures, answers) of one look's probes of a colour."""
    return _binomial(chance, PROBES_A_LOOK, _either(min(errors, 1.0), *(fault.errors for fault in faults if fault.hits(PROBED)))), PROBES_A_LOOK


def _tally(chance: random.Random, counts: Sequence[Counts], slow: float) -> Tally:
    answers = sum(of for _, of in counts)
    return Tally(answers=answers, errors=sum(failures for failures, _ in counts), slow=_binomial(chance, answers, slow))


def _together(counts: Iterable[Mapping[Slice, Counts]]) -> dict[Slice, Counts]:
    """Return the sums, by route and tenant."""
    added: dict[Slice, Counts] = {}
    for each, (failures, answers) in (item for some in counts for item in some.items()):
        failed, of = added.get(each, (0, 0))
        added[each] = (failed + failures, of + answers)
    return added


def _sum(counts: Mapping[Slice, Counts]) -> Counts:
    return sum(failures for failures, _ in counts.values()), sum(answers for _, answers in counts.values())


def _chosen(chance: random.Random, weights: Mapping[Slice, float], count: int) -> list[Slice]:
    """Return so many of them, each as likely as it weighs; none where nothing weighs anything."""
    return chance.choices(tuple(weights), tuple(weights.values()), k=count) if count and any(weights.values()) else []


def _either(*shares: float) -> float:
    """Return the share of answers that at least one of independent causes spoils."""
    return 1 - math.prod(1 - share for share in shares)


def _clump(chance: random.Random, variation: float) -> float:
    """Return how much more than usual goes wrong in one second: gamma-distributed about 1."""
    shape = 1 / variation**2
    return chance.gammavariate(shape, 1 / shape)


def _log_uniform(chance: random.Random, low: float, high: float) -> float:
    return math.exp(chance.uniform(math.log(low), math.log(high)))


def _poisson(chance: random.Random, mean: float) -> int:
    """Return how many come: by their gaps."""
    count, left = 0, mean
    while left > 0:
        left -= chance.expovariate(1.0)
        count += left > 0
    return count


def _binomial(chance: random.Random, of: int, share: float) -> int:
    """Return how many of `of` it hits: by the gaps between them, which are long for a small share."""
    if share <= 0:
        return 0
    if share >= 1:
        return of
    count, at, step = 0, 0, math.log1p(-share)
    while True:
        at += int(math.log(1.0 - chance.random()) / step) + 1
        if at > of:
            return count
        count += 1


if __name__ == "__main__":
    sys.exit(main())
