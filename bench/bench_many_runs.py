"""What the console and the API cost on a server that has a hundred thousand finished runs behind it: lists, pages of lists, and single runs.

A stack on which two releases went out by real deployments; the newest one is then copied, with the first lines of its journal, as often as asked for. Each
address is asked one at a time, over HTTP, by a client on the same machine: what is measured is the server's time and the way there and back.

    .venv/bin/python bench/bench_many_runs.py [--runs 100000] [--lines 10] [--times 30]

It ends non-zero when any of them takes longer than promised at the 95th percentile, or does not answer as it should.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import psycopg

from measured import Promise, conclude, milliseconds, table
from unioneyes.cli.rehearse import stage_with_good_release
from unioneyes.environments import locate
from unioneyes.environments.local.stack import open_stack

PROMISED = timedelta(milliseconds=100)
"""Figure to reach of the design: "console page over 100k runs"."""
_COPY = """
INSERT INTO ue.runs (
  id, runbook, summary, status, service, requested_by, request, plan, plan_hash, parks, step, worker, result,
  created_at, enqueued_at, started_at, ended_at
)
SELECT 'deployment-20250101-000000-' || lpad(copy::text, 6, '0'), runbook, summary, status, service, requested_by, request, plan, plan_hash, parks,
  step, worker, result,
  created_at - copy * interval '5 minutes', enqueued_at, started_at - copy * interval '5 minutes', ended_at - copy * interval '5 minutes'
FROM ue.runs, generate_series(1, %(runs)s) AS copy WHERE id = %(run)s
"""
_COPY_JOURNAL = """
INSERT INTO ue.journal (key, run_id, at, kind, step, message, data)
SELECT gen_random_uuid(), 'deployment-20250101-000000-' || lpad(copy::text, 6, '0'), at, kind, step, message, data
FROM generate_series(1, %(runs)s) AS copy, (SELECT * FROM ue.journal WHERE run_id = %(run)s ORDER BY seq LIMIT %(lines)s) AS lines
"""


def main() -> int:
    """Measure, print, and say whether the promise holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--lines", type=int, default=10, help="of each run's journal (%(default)s)")
    parser.add_argument("--times", type=int, default=30, help="that each address is asked (%(default)s)")
    asked = parser.parse_args()
    with TemporaryDirectory(prefix="ue-bench-", dir="/tmp") as folder:
        home = Path(folder) / "home"
        with stage_with_good_release("many-runs", home, keep=False):
            newest = multiply(home, runs=asked.runs, lines=asked.lines)
            old = f"deployment-20250101-000000-{asked.runs // 2:06}"
            took = {what: ask(home, path, asked.times) for what, path in addresses(newest, old)}
    rows = [(what, milliseconds(times[len(times) // 2]), milliseconds(at_95(times)), milliseconds(times[-1])) for what, times in took.items()]
    page = table(("asked for", "median", "p95", "longest"), rows)
    worst = max(took, key=lambda what: at_95(took[what]))
    promises = (
        Promise(
            what=f"the slowest, {worst}, p95",
            measured=milliseconds(at_95(took[worst])),
            promise=f"<= {milliseconds(PROMISED)}",
            kept=at_95(took[worst]) <= PROMISED,
        ),
    )
    title = "The console and the API with many runs behind them"
    return conclude("many-runs", title=title, text=f"{asked.runs:,} finished runs, {asked.lines} lines of journal each\n\n{page}", promises=promises)


def addresses(newest: str, old: str) -> Iterator[tuple[str, str]]:
    """Yield what people and programs look at, and where."""
    yield "console: what is deployed", "/"
    yield "console: runs", "/runs"
    yield "console: the newest run", f"/runs/{newest}"
    yield "console: an old run", f"/runs/{old}"
    yield "console: the live part of runs", "/fragments/runs"
    yield "API: runs", "/api/v1/runs?limit=50"
    yield "API: runs from the middle on", f"/api/v1/runs?limit=50&before={old}"
    yield "API: runs that failed", "/api/v1/runs?limit=50&status=failed"
    yield "API: an old run", f"/api/v1/runs/{old}"
    yield "API: its journal", f"/api/v1/runs/{old}/journal"
    yield "API: its plan", f"/api/v1/runs/{old}/plan"
    yield "API: deployments", "/api/v1/deployments?limit=20"
    yield "API: what is deployed", "/api/v1/deployments/current"


def multiply(home: Path, *, runs: int, lines: int) -> str:
    """Return the newest deployment, which stands in the database so many times more; PostgreSQL knows its tables' sizes, as it does after a night."""
    with psycopg.connect(open_stack(home).control_database_url.get_secret_value(), autocommit=True) as control:
        row = control.execute("SELECT id FROM ue.runs WHERE runbook = 'deployment.start' ORDER BY number DESC LIMIT 1").fetchone()
        assert row is not None
        values = {"run": row[0], "runs": runs, "lines": lines}
        control.execute(_COPY.encode(), values)
        control.execute(_COPY_JOURNAL.encode(), values)
        control.execute("VACUUM ANALYZE ue.runs")
        control.execute("VACUUM ANALYZE ue.journal")
        return str(row[0])


def ask(home: Path, path: str, times: int) -> list[timedelta]:
    """Return how long each answer took, shortest first; the very first one, which fills caches, left out."""
    address = locate("local", home)
    took = []
    with httpx.Client(base_url=address.url, headers={"Authorization": f"Bearer {address.token.get_secret_value()}"}, timeout=60, trust_env=False) as client:
        for _ in range(times + 1):
            began = time.perf_counter()
            answer = client.get(path)
            took.append(timedelta(seconds=time.perf_counter() - began))
            assert answer.status_code == httpx.codes.OK, (path, answer.status_code)
    return sorted(took[1:])


def at_95(times: list[timedelta]) -> timedelta:
    """Return the 95th percentile."""
    return times[min(len(times) - 1, len(times) * 95 // 100)]


if __name__ == "__main__":
    sys.exit(main())
