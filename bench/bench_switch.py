"""Requests lost in a switch: ours, a peer whose switch is a reload, and a naive one, in the same run.

An open-loop client that never retries sends 20 % POSTs, half of its requests over kept-alive connections and half over new ones. Lost is every request without
an answer or with one that nobody intended. Each claim whose POST was answered must be in the database, exactly once.

    .venv/bin/python bench/bench_switch.py [--requests 100000] [--rate 200] [--switches 10] [--peer caddy|nginx]

The peer stands on a port of its own in front of the same replicas, and is given the same load and the same number of switches. The naive switch ends the old
colour's replicas and then moves the route, as one would without a drain. It must lose requests, or the bench proves nothing: it ends non-zero then, as it does
when ours loses one, or when the peer could not be measured.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import psycopg

from measured import Promise, conclude, milliseconds, ratio, seconds, table
from peers import KINDS, NotMeasured, run_peer
from unioneyes.environments import open_environment
from unioneyes.environments.local.members import run_members
from unioneyes.environments.local.stack import open_stack
from unioneyes.ports.environment import Environment
from unioneyes.ports.traffic import Colour, Weights
from unioneyes.simulators.report import Exchange, LoadReport, Pace, read_exchanges, read_pace, summarise

UE = Path(sys.executable).with_name("ue")
VERSIONS = ("1.0.0", "1.1.0")
READY_WITHIN = timedelta(seconds=60)
SIGN_IN = 2.0
"""Seconds until the members' first request."""

LAST_OLD_ANSWER_WITHIN = timedelta(milliseconds=300)
"""Figure to reach of the design: last answer of the old version after the switch, kept-alive connections included."""

NAIVE_REQUESTS, NAIVE_SWITCHES = 5_000, 2
"""Enough to show that this client sees a loss."""

Shift = Callable[[Colour], timedelta]
"""Sends the members to a colour; returns how long that took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The load, and how often it is switched."""

    requests: int
    rate: int
    switches: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """When one switch began and was confirmed, in seconds since the epoch, and which version served before."""

    began: float
    confirmed: float
    old: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one way of switching did to the members."""

    way: str
    seen: LoadReport
    lost_as: tuple[tuple[str, int], ...]
    """What the members got in place of an answer, the most frequent first."""
    pace: Pace
    took: timedelta
    """From the first request to the last."""
    switches: int
    slowest_shift: timedelta
    last_old_answer: timedelta
    """The longest that the old version still answered after a switch."""
    rows: int
    """Claims in the database of those whose POST was answered."""

    @property
    def lost_per_million(self) -> float:
        """So that ways with different numbers of requests stand beside each other."""
        return self.seen.lost / self.seen.sent * 1e6


def main() -> int:
    """Run all, print them side by side, and say whether the promise holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--rate", type=int, default=200, help="requests a second (%(default)s)")
    parser.add_argument("--switches", type=int, default=10)
    parser.add_argument("--peer", choices=tuple(KINDS), default="caddy")
    arguments = parser.parse_args()
    asked = Asked(requests=arguments.requests, rate=arguments.rate, switches=arguments.switches)
    with stack() as bench:
        ours = bench.measure("ours", asked, shift=bench.shift)
        peer = bench.measure_peer(arguments.peer, asked)
        naive = bench.measure("naive", Asked(requests=NAIVE_REQUESTS, rate=asked.rate, switches=NAIVE_SWITCHES), shift=bench.shift_naively)
    measured = [outcome for outcome in (ours, peer, naive) if isinstance(outcome, Outcome)]
    return conclude("switch", title="Requests lost in a switch", text=page(ours, measured), promises=promises(asked, ours, peer, naive))


def promises(asked: Asked, ours: Outcome, peer: Outcome | NotMeasured, naive: Outcome) -> tuple[Promise, ...]:
    """Return what was promised of the switch, and what the bench needs to mean anything."""
    seen = ours.seen
    late = ours.last_old_answer
    beside = f"{peer.seen.lost:,} of {peer.seen.sent:,} lost" if isinstance(peer, Outcome) else f"not measured: {peer}"
    return (
        Promise(
            what="lost by ours",
            measured=f"{seen.lost:,} of {seen.sent:,}",
            promise=f"0 of {asked.requests:,}",
            kept=seen.lost == 0 and seen.sent >= asked.requests,
        ),
        Promise(
            what="claims in the database", measured=f"{ours.rows:,}", promise=f"{seen.posts_answered:,} answered", kept=ours.rows == seen.posts_answered > 0
        ),
        Promise(
            what="last old answer of ours",
            measured=milliseconds(late),
            promise=f"<= {milliseconds(LAST_OLD_ANSWER_WITHIN)}",
            kept=late <= LAST_OLD_ANSWER_WITHIN,
        ),
        Promise(what="a peer beside it", measured=beside, promise="measured", kept=isinstance(peer, Outcome) and peer.seen.sent >= asked.requests),
        Promise(what="this client sees a loss", measured=f"{naive.seen.lost:,} by the naive one", promise="> 0", kept=naive.seen.lost > 0),
    )


def page(ours: Outcome, outcomes: Sequence[Outcome]) -> str:
    """Return the outcomes side by side, and ours as a share of each."""
    columns = ("way", "requests", "lost", "POSTs answered", "in database", "switches", "slowest shift", "last old answer", "p50", "p99", "client late by")
    beside = [
        (
            f"ours / {other.way}",
            ratio(ours.lost_per_million, other.lost_per_million),
            ratio(ours.slowest_shift / timedelta(seconds=1), other.slowest_shift / timedelta(seconds=1)),
            ratio(ours.last_old_answer / timedelta(seconds=1), other.last_old_answer / timedelta(seconds=1)),
            ratio(ours.seen.p99 / timedelta(seconds=1), other.seen.p99 / timedelta(seconds=1)),
        )
        for other in outcomes
        if other is not ours
    ]
    load = "\n".join(
        f"{each.way}: {each.seen.sent / each.took.total_seconds():.0f} requests a second for {seconds(each.took)}; "
        f"the client took {each.pace.cpu / each.took:.0%} of one core; lost: {', '.join(f'{count:,} {why}' for why, count in each.lost_as) or 'none'}"
        for each in outcomes
    )
    return f"{table(columns, [cells(each) for each in outcomes])}\n\n{table(('ratio', 'lost', 'slowest shift', 'last old answer', 'p99'), beside)}\n\n{load}"


def cells(outcome: Outcome) -> tuple[str, ...]:
    """Return one line of the table."""
    seen = outcome.seen
    return (
        outcome.way,
        f"{seen.sent:,}",
        f"{seen.lost:,}",
        f"{seen.posts_answered:,}",
        f"{outcome.rows:,}",
        str(outcome.switches),
        milliseconds(outcome.slowest_shift),
        milliseconds(outcome.last_old_answer),
        milliseconds(seen.p50),
        milliseconds(seen.p99),
        milliseconds(outcome.pace.behind),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A stack of its own with both versions warm."""

    home: Path
    env: Environment
    database_url: str
    sockets: dict[Colour, tuple[Path, ...]]

    def shift(self, to: Colour) -> timedelta:
        """Switch as a deployment does: one change of the routes, confirmed by the data plane."""
        began = time.monotonic()
        self.env.traffic.shift(Weights.all_to(to))
        return timedelta(seconds=time.monotonic() - began)

    def shift_naively(self, to: Colour) -> timedelta:
        """End the old colour first, then move the route."""
        began = time.monotonic()
        old = to.other
        version = self.version(old)
        self.env.replicas.stop(old)
        self.env.traffic.shift(Weights.all_to(to))
        took = timedelta(seconds=time.monotonic() - began)
        self.env.replicas.start(old, version=version, count=self.env.facts.replicas, within=READY_WITHIN)
        return took

    def version(self, colour: Colour) -> str:
        """Return what stands on `colour`."""
        return next(replica.version for replica in self.env.replicas.all() if replica.colour is colour)

    def live(self) -> Colour:
        """Return the colour that our routes send the members to."""
        return self.env.traffic.view().weights.live or Colour.BLUE

    def measure_peer(self, name: str, asked: Asked) -> Outcome | NotMeasured:
        """Return what a peer's switches did to the same load; why not, where it could not be had."""
        folder = self.home / f"peer-{name}"
        folder.mkdir()
        try:
            with run_peer(name, folder=folder, colours=self.sockets, live=self.live()) as peer:
                return self.measure(peer.name, asked, shift=peer.shift, url=peer.url)
        except NotMeasured as reason:
            return reason

    def measure(self, way: str, asked: Asked, *, shift: Shift, url: str | None = None) -> Outcome:
        """Return what switches that are spread evenly over the load did to it."""
        lasts = asked.requests / asked.rate
        print(f"{way}: {asked.requests:,} requests at {asked.rate}/s, {asked.switches} switches, about {lasts:.0f} s", flush=True)
        shifts: list[timedelta] = []
        moments: list[Switch] = []
        live = self.live()
        with run_members(self.home, rate=asked.rate, url=url) as members:
            for _ in range(asked.switches):
                time.sleep(lasts / (asked.switches + 1))
                old, live = self.version(live), live.other
                began = time.time()
                shifts.append(shift(live))
                moments.append(Switch(began=began, confirmed=began + shifts[-1].total_seconds(), old=old))
            time.sleep(lasts / (asked.switches + 1) + SIGN_IN)
            members.finish()
            exchanges, pace = tuple(read_exchanges(members.report)), read_pace(members.report)
        seen = summarise(exchanges)
        due = [exchange.scheduled_at for exchange in exchanges]
        return Outcome(
            way=way,
            seen=seen,
            lost_as=tuple(Counter(each.error or f"status {each.status}" for each in exchanges if each.lost).most_common(4)),
            pace=pace,
            took=timedelta(seconds=max(due) - min(due)),
            switches=asked.switches,
            slowest_shift=max(shifts),
            last_old_answer=timedelta(seconds=last_old_answer(exchanges, moments)),
            rows=self.count(seen.claims),
        )

    def count(self, claims: Sequence[str]) -> int:
        """Return how many of the claims are in the database."""
        with psycopg.connect(self.database_url, connect_timeout=5) as connection:
            row = connection.execute("select count(*) from claims where id::text = any(%s)", (list(claims),)).fetchone()
        return row[0] if row else 0


@contextmanager
def stack() -> Iterator[Bench]:
    """A stack of its own with both versions warm, gone afterwards."""
    home = Path(tempfile.mkdtemp(prefix="ue-bench-", dir="/tmp"))
    try:
        ue(home, "env", "up", "--service-port", "0", "--preview-port", "0", "--control-port", "0")
        for version in VERSIONS:
            print(f"deploying {version}", flush=True)
            ue(home, "deploy", "start", version, "--migrate", "--bake", "1s")
        env = open_environment("local", home).environment
        live = env.traffic.view().weights.live or Colour.BLUE
        env.replicas.start(live.other, version=VERSIONS[0], count=env.facts.replicas, within=READY_WITHIN)
        folder = open_stack(home).layout.sockets
        sockets = {colour: tuple(folder / f"{replica.name}.sock" for replica in env.replicas.all() if replica.colour is colour) for colour in Colour}
        yield Bench(home=home, env=env, database_url=open_stack(home).database_url("ue_backup").get_secret_value(), sockets=sockets)
    finally:
        subprocess.run([UE, "env", "down", "--home", home], check=False, capture_output=True, timeout=60)
        shutil.rmtree(home, ignore_errors=True)


def last_old_answer(exchanges: tuple[Exchange, ...], switches: list[Switch]) -> float:
    """Return the longest, in seconds, that an old version still answered after a switch was confirmed; 0 when none did."""
    ends = [*(switch.began for switch in switches[1:]), float("inf")]
    late = [
        exchange.ended_at - switch.confirmed
        for switch, end in zip(switches, ends, strict=True)
        for exchange in exchanges
        if exchange.version == switch.old and switch.confirmed < exchange.ended_at < end
    ]
    return max(late, default=0.0)


def ue(home: Path, *words: str) -> None:
    """Run one command against the bench's own stack."""
    subprocess.run([UE, *words, "--home", home], check=True, timeout=300, stdin=subprocess.DEVNULL, capture_output=True)


if __name__ == "__main__":
    sys.exit(main())
