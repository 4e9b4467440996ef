"""How long it takes to decide which of many sessions end, with a reason for each that stays.

Sessions as a large server has them: pools that are idle for longer or shorter, queries under way, replication, our own. The decision is the runbook's own
rule; reading the sessions and ending them is PostgreSQL's time, and none of it.

    .venv/bin/python bench/bench_db_kill.py [--sessions 5000] [--rounds 30]

It ends non-zero when the median of the rounds is longer than promised, or when another number of sessions ends than should.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from datetime import UTC, datetime, timedelta

from measured import Promise, conclude, milliseconds
from unioneyes.environments.settings import POOLERS
from unioneyes.operations.database.blocking import blocking
from unioneyes.operations.database.sessions import judged
from unioneyes.operations.database.sessions_model import EndIdleRequest
from unioneyes.ports.activity import ActivityView, Limits, Session

PROMISE = timedelta(milliseconds=100)
"""Source: the issue "Database operations": "kill decision on 5,000 connections < 100 ms"."""
AT = datetime(2026, 2, 9, 3, 0, tzinfo=UTC)
KINDS = (
    ("client backend", "claims_app", "claims blue-1", "idle", 1),
    ("client backend", "claims_app", "claims blue-2", "active", 20),
    ("client backend", "reports", "nightly", "idle in transaction", 30),
    ("client backend", "claims_app", "pgbouncer", "idle", 60),
    ("client backend", "ue_backup", "pg_dump", "active", 60),
    ("walsender", "ue_replication", "replica", "active", 600),
    ("client backend", "claims_app", "claims green-1", "idle", 11),
    ("client backend", "somebody", "psql", "idle", 700),
)
"""Kind, role, application, state, and since how many minutes: the last two of eight end."""


def main() -> int:
    """Measure, record, and return the exit code."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--sessions", type=int, default=5_000)
    arguments.add_argument("--rounds", type=int, default=30)
    given = arguments.parse_args()
    view = ActivityView(at=AT, limits=Limits(connections=6_000, reserved=3), sessions=tuple(a_session(number) for number in range(given.sessions)))
    expected = sum(number % len(KINDS) >= len(KINDS) - 2 for number in range(given.sessions))
    times, trees = [], []
    ending = -1
    for _ in range(given.rounds):
        began = time.perf_counter()
        ending = sum(each.kept is None for each in judged(view, EndIdleRequest(), protect=POOLERS))
        times.append(timedelta(seconds=time.perf_counter() - began))
        began = time.perf_counter()
        blocking(view)
        trees.append(timedelta(seconds=time.perf_counter() - began))
    text = f"{given.sessions:,} sessions, {given.rounds} rounds; the tree of who waits for whom took {milliseconds(max(trees))} at the worst"
    usual = timedelta(seconds=statistics.median(each.total_seconds() for each in times))
    told = f"{milliseconds(usual)}, worst {milliseconds(max(times))}"
    promises = (
        Promise(what="decide on each session", measured=told, promise=f"< {milliseconds(PROMISE)}", kept=usual < PROMISE),
        Promise(what="sessions that end", measured=f"{ending:,}", promise=f"{expected:,}", kept=ending == expected),
    )
    return conclude("db-kill", title="Deciding which sessions end", text=text, promises=promises)


def a_session(number: int) -> Session:
    """Return one of them; every hundredth waits for the one before it."""
    kind, user, application, state, minutes = KINDS[number % len(KINDS)]
    since = AT - timedelta(minutes=minutes)
    return Session(
        pid=number + 1,
        started=AT - timedelta(days=1),
        kind=kind,
        database="unioneyes",
        user=user,
        application=application,
        client="10.0.0.7",
        state=state,
        state_since=since,
        query_since=since,
        transaction_since=since if "transaction" in state else None,
        waits_for="",
        lock="",
        blocked_by=(number,) if number and number % 100 == 0 else (),
        superuser=False,
        query="SELECT ?",
        query_id="",
    )


if __name__ == "__main__":
    sys.exit(main())
