"""Every way back, timed against the document's five minutes; those of option C with a database of about 1 GB.

Each is ordered by its command on a stack of its own, and the time counts from the order to a healthy answer as members reach it, as the run's own result says.

    .venv/bin/python bench/bench_rollback.py [--gigabytes 1.0]

It ends non-zero when a way back takes longer than the document promises.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import psycopg
from pydantic import JsonValue, TypeAdapter

from measured import Promise, conclude, ratio, seconds, table
from unioneyes.adapters.postgres.server import SUPERUSER
from unioneyes.environments import open_environment
from unioneyes.environments.local.stack import Stack, open_stack
from unioneyes.kernel.units import format_bytes
from unioneyes.operations.rollback.model import MigrationsTakenBack, ReleaseRolledBack, Restored
from unioneyes.ports.runs import RolledBack

UE = Path(sys.executable).with_name("ue")
PROMISE = timedelta(minutes=5)
"""Source: Rollback Procedures, "Rollback Steps (< 5 minutes)"."""
SETTINGS = """
[waivers]
current-version = "a bench runs on whatever stands in the work tree"
"""
ROWS_A_GIGABYTE = 900_000
"""Of claims, each with one update, as wide as below; measured."""
FILL = """
-- Numbers below every real one: the newest claims stay at the top of the members' lists.
WITH whose AS (SELECT organization_id, id AS member FROM organization_members LIMIT 1),
made AS (
  INSERT INTO claims (organization_id, claim_number, member_id, type, priority, text)
  SELECT organization_id, -n, member, 'grievance', 'low', repeat(md5(n::text), 12)
  FROM whose, generate_series(%(first)s::bigint, %(last)s::bigint) AS n
  RETURNING organization_id, id, member_id
)
INSERT INTO claim_updates (organization_id, claim_id, member_id, to_status, note)
SELECT organization_id, id, member_id, 'submitted', repeat(md5(id::text), 6) FROM made
"""
BATCH = 50_000
LATER = "INSERT INTO login_attempts (succeeded, request_id) SELECT false, 'bench' FROM generate_series(1, 1000)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """One way back, as it was measured."""

    option: str
    way: str
    healthy_in: timedelta
    closed_for: timedelta
    """How long members were told to come back in a moment."""
    note: str


def main() -> int:
    """Take every way back, and print what each took beside what the document promises."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=1.0)
    gigabytes: float = parser.parse_args().gigabytes
    with stack() as home:
        found = [traffic(home), release(home)]
        opened = open_stack(home)
        size = filled(opened, round(gigabytes * ROWS_A_GIGABYTE))
        found += [migration(home), restore(home, opened)]
        peak = peak_memory(home)
    return conclude(
        "rollback", title="Every way back, against five minutes", text=page(found, size=size, peak=peak), promises=[promised(each) for each in found]
    )


def page(found: list[Timed], *, size: int, peak: str) -> str:
    """Return the ways back side by side."""
    columns = ("option", "way back", "what was done", "order to healthy", "promised", "ratio", "members out")
    below = f"the database of both kinds of option C: {format_bytes(size)}\nthe control plane's peak memory, all of it: {peak}"
    return f"{table(columns, [cells(each) for each in found], left=3)}\n\n{below}"


def cells(timed: Timed) -> tuple[str, ...]:
    """Return one line of the table."""
    out = seconds(timed.closed_for) if timed.closed_for else "none"
    share = ratio(timed.healthy_in.total_seconds(), PROMISE.total_seconds())
    return (timed.option, timed.way, timed.note, seconds(timed.healthy_in), seconds(PROMISE), share, out)


def promised(timed: Timed) -> Promise:
    """Return what the document promises of a way back."""
    return Promise(what=timed.way, measured=seconds(timed.healthy_in), promise=f"< {seconds(PROMISE)}", kept=timed.healthy_in < PROMISE)


def traffic(home: Path) -> Timed:
    """Send the members back while the previous release is warm."""
    run = str(told(ue(home, "deploy", "start", "1.0.0", "--bake", "120s", "--detach", "-o", "json"))["id"])
    while told(ue(home, "run", "show", run, "-o", "json"))["step"] != "watch_release":
        time.sleep(0.2)
    done = TypeAdapter(RolledBack).validate_python(result(home, "traffic"))
    return Timed(option="A", way="ue rollback traffic", healthy_in=done.healthy_in, closed_for=timedelta(0), note="the routes were switched")


def release(home: Path) -> Timed:
    """Start the previous release again."""
    done = TypeAdapter(ReleaseRolledBack).validate_python(result(home, "release"))
    note = f"{done.version} was started, smoke-tested and given the members"
    return Timed(option="B", way="ue rollback release", healthy_in=done.healthy_in, closed_for=timedelta(0), note=note)


def migration(home: Path) -> Timed:
    """Take the newest migration back, after a verified backup."""
    done = TypeAdapter(MigrationsTakenBack).validate_python(result(home, "migration", "--confirm", "unioneyes"))
    note = "backed up, restored and compared, rehearsed, taken back"
    return Timed(option="C", way="ue rollback migration", healthy_in=done.healthy_in, closed_for=timedelta(0), note=note)


def restore(home: Path, opened: Stack) -> Timed:
    """Put a backup in the live database's place, after something was written since."""
    backups = open_environment("local", home).environment.backups
    print("backing up", flush=True)
    backups.create("bench")
    backups.verify("bench")
    backups.discard_scratch("bench")
    with admin(opened) as session:
        session.execute(LATER)
    done = TypeAdapter(Restored).validate_python(result(home, "restore", "--backup", "bench", "--confirm", "unioneyes"))
    note = "restored beside, compared, swapped; kept aside: " + ", ".join(f"{table.only_live:,} of {table.table}" for table in done.difference.tables)
    return Timed(option="C", way="ue rollback restore", healthy_in=done.healthy_in, closed_for=done.closed_for, note=note)


def filled(opened: Stack, rows: int) -> int:
    """The database holds so many claims more; return its bytes."""
    with admin(opened) as session:
        session.execute("SET session_replication_role = replica")  # numbers and checks of the triggers would take most of the time
        for first in range(1, rows + 1, BATCH):
            print(f"\rfilling: {first:,} of {rows:,} claims", end="", flush=True)
            session.execute(FILL, {"first": first, "last": min(first + BATCH - 1, rows)})
        print(flush=True)
        session.execute("VACUUM ANALYZE")
        row = session.execute("SELECT pg_database_size(current_database())").fetchone()
    return int(str(row[0])) if row else 0


def peak_memory(home: Path) -> str:
    """Return the most that the control plane's process held, as the kernel says."""
    processes = TypeAdapter(list[dict[str, JsonValue]]).validate_python(told(ue(home, "env", "status", "-o", "json"))["processes"])
    pid = next(process["pid"] for process in processes if process["name"] == "control")
    status = Path(f"/proc/{pid}/status").read_text()
    return format_bytes(1024 * int(next(line for line in status.splitlines() if line.startswith("VmHWM:")).split()[1]))


def result(home: Path, way: str, *flags: str) -> JsonValue:
    """Order one way back and return what its run came to."""
    print(f"ue rollback {way}", flush=True)
    return told(ue(home, "rollback", way, "--reason", "feature-broken", "--yes", *flags, "-o", "json"))["result"]


def admin(opened: Stack) -> psycopg.Connection[tuple[object, ...]]:
    """Connect as the role that sees every row."""
    address = opened.primary.url(role=SUPERUSER, password=opened.secrets.superuser, database="unioneyes")
    return psycopg.connect(address.get_secret_value(), connect_timeout=5, autocommit=True)


@contextmanager
def stack() -> Iterator[Path]:
    """A stack of its own on which 1.1.0 serves and 1.0.0 did before, gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="ue-", dir="/tmp"))
    home = folder / "home"
    home.mkdir(mode=0o700)
    (home / "environment.toml").write_text(SETTINGS)
    try:
        ue(home, "env", "up", "--service-port", "0", "--preview-port", "0", "--control-port", "0")
        for version in ("1.0.0", "1.1.0"):
            print(f"deploying {version}", flush=True)
            ue(home, "deploy", "start", version, "--migrate", "--bake", "1s")
        yield home
    finally:
        subprocess.run([UE, "env", "down", "--home", home], check=False, capture_output=True, timeout=60)
        shutil.rmtree(folder, ignore_errors=True)


def told(printed: str) -> dict[str, JsonValue]:
    """Return the JSON object that a command printed."""
    document: dict[str, JsonValue] = json.loads(printed)
    return document


def ue(home: Path, *words: str) -> str:
    """Run one command against the bench's own stack; return what it printed."""
    done = subprocess.run([UE, *words, "--home", home], timeout=900, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode not in {0, 8}:
        raise SystemExit(f"ue {' '.join(words)} ended with {done.returncode}: {done.stderr}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
