"""Requests lost in a switch: ours, and a naive one beside it in the same run.

An open-loop client that never retries sends 20 % POSTs, half of its requests over kept-alive connections and half over new ones. Lost is every request without
an answer or with one that nobody intended. Each claim whose POST was answered must be in the database, exactly once.

    .venv/bin/python bench/bench_switch.py [--requests 20000] [--rate 250] [--switches 4]

The naive switch ends the old colour's replicas and then moves the route, as one would without a drain. It must lose requests, or the bench proves nothing:
it ends non-zero then, as it does when ours loses one.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import psycopg

from measured import record
from unioneyes.environments import open_environment
from unioneyes.environments.local.members import run_members
from unioneyes.environments.local.stack import open_stack
from unioneyes.ports.environment import Environment
from unioneyes.ports.traffic import Colour, Weights
from unioneyes.simulators.report import Exchange, LoadReport, read_exchanges, summarise

UE = Path(sys.executable).with_name("ue")
VERSIONS = ("1.0.0", "1.1.0")
READY_WITHIN = timedelta(seconds=60)
SIGN_IN = 2.0
"""Seconds until the members' first request."""


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
    switches: int
    slowest_shift: timedelta
    last_old_answer: timedelta
    """The longest that the old version still answered after a switch."""
    rows: int
    """Claims in the database of those whose POST was answered."""


def main() -> int:
    """Run both, print them side by side, and say whether the promise holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--rate", type=int, default=250, help="requests a second")
    parser.add_argument("--switches", type=int, default=4)
    arguments = parser.parse_args()
    with stack() as (home, env, database_url):
        ours = measure("ours", home, env, database_url, requests=arguments.requests, rate=arguments.rate, switches=arguments.switches, switch=shift)
        naive = measure("naive", home, env, database_url, requests=max(2_000, arguments.requests // 10), rate=arguments.rate, switches=2, switch=naive_switch)
    good = ours.seen.sent >= arguments.requests and ours.seen.lost == 0 and ours.rows == ours.seen.posts_answered
    proves = naive.seen.lost > 0
    text = page(ours, naive, good=good, proves=proves)
    print(f"\n{text}")
    command = f"python bench/bench_switch.py --requests {arguments.requests} --rate {arguments.rate} --switches {arguments.switches}"
    print(f"\nrecorded: {record('switch', title='Requests lost in a switch', command=command, text=text)}")
    return 0 if good and proves else 1


def page(ours: Outcome, naive: Outcome, *, good: bool, proves: bool) -> str:
    """Return both outcomes side by side, and what they say."""
    columns = ("way", "requests", "lost", "POSTs answered", "in database", "switches", "slowest shift", "last old answer")
    rows = [columns, *(cells(outcome) for outcome in (ours, naive))]
    widths = [max(len(row[at]) for row in rows) for at in range(len(columns))]
    table = "\n".join("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return (
        f"{table}\n\nours loses nothing, and every answered POST is in the database: {'yes' if good else 'NO'}\n"
        f"the naive switch loses some, so this client would have seen a loss: {'yes' if proves else 'NO'}"
    )


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
        f"{outcome.slowest_shift / timedelta(milliseconds=1):.1f} ms",
        f"{outcome.last_old_answer / timedelta(milliseconds=1):.1f} ms",
    )


@contextmanager
def stack() -> Iterator[tuple[Path, Environment, str]]:
    """A stack of its own with both versions warm, gone afterwards."""
    home = Path(tempfile.mkdtemp(prefix="ue-bench-"))
    try:
        ue(home, "env", "up", "--service-port", "0", "--preview-port", "0", "--control-port", "0")
        for version in VERSIONS:
            print(f"deploying {version}", flush=True)
            ue(home, "deploy", "start", version, "--migrate", "--bake", "1s")
        env = open_environment("local", home).environment
        live = env.traffic.view().weights.live or Colour.BLUE
        env.replicas.start(live.other, version=VERSIONS[0], count=env.facts.replicas, within=READY_WITHIN)
        yield home, env, open_stack(home).database_url("ue_backup").get_secret_value()
    finally:
        subprocess.run([UE, "env", "down", "--home", home], check=False, capture_output=True, timeout=60)
        shutil.rmtree(home, ignore_errors=True)


def measure(
    way: str,
    home: Path,
    env: Environment,
    database_url: str,
    *,
    requests: int,
    rate: int,
    switches: int,
    switch: Callable[[Environment, Colour], timedelta],
) -> Outcome:
    """Return what `switches` switches, spread evenly over the load, did to it."""
    seconds = requests / rate
    print(f"{way}: {requests:,} requests at {rate}/s, {switches} switches, about {seconds:.0f} s", flush=True)
    shifts: list[timedelta] = []
    moments: list[Switch] = []
    with run_members(home, rate=rate) as members:
        for _ in range(switches):
            time.sleep(seconds / (switches + 1))
            live = env.traffic.view().weights.live or Colour.BLUE
            old = next(replica.version for replica in env.replicas.all() if replica.colour is live)
            began = time.time()
            shifts.append(switch(env, live.other))
            moments.append(Switch(began=began, confirmed=time.time(), old=old))
        time.sleep(seconds / (switches + 1) + SIGN_IN)
        members.finish()
        exchanges = tuple(read_exchanges(members.report))
    seen = summarise(exchanges)
    with psycopg.connect(database_url, connect_timeout=5) as connection:
        row = connection.execute("select count(*) from claims where id::text = any(%s)", (list(seen.claims),)).fetchone()
    return Outcome(
        way=way,
        seen=seen,
        switches=switches,
        slowest_shift=max(shifts),
        last_old_answer=timedelta(seconds=last_old_answer(exchanges, moments)),
        rows=row[0] if row else 0,
    )


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


def shift(env: Environment, to: Colour) -> timedelta:
    """Switch as a deployment does: one change of the routes, confirmed by the data plane."""
    return env.traffic.shift(Weights.all_to(to)).took


def naive_switch(env: Environment, to: Colour) -> timedelta:
    """End the old colour first, then move the route."""
    began = time.monotonic()
    old = to.other
    version = next(replica.version for replica in env.replicas.all() if replica.colour is old)
    env.replicas.stop(old)
    env.traffic.shift(Weights.all_to(to))
    took = timedelta(seconds=time.monotonic() - began)
    env.replicas.start(old, version=version, count=env.facts.replicas, within=READY_WITHIN)
    return took


def ue(home: Path, *words: str) -> None:
    """Run one command against the bench's own stack."""
    subprocess.run([UE, *words, "--home", home], check=True, timeout=300, stdin=subprocess.DEVNULL, capture_output=True)


if __name__ == "__main__":
    sys.exit(main())
