"""How long readers stand still while a migration waits for its lock behind a long transaction: by a plain ALTER TABLE, and by our runner, in one run.

    .venv/bin/python bench/bench_migrate.py [--blocked 4.0]

A report reads the table for so many seconds; the migration adds a column; readers ask for one row again and again. A plain ALTER TABLE, as `psql -f` and
Drizzle run it, queues for its lock, and every reader queues behind it. It ends non-zero when our runner lets a reader wait longer than it promises.
"""

from __future__ import annotations

import argparse
import json
import shutil
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import psycopg
from pydantic import SecretStr

from measured import Promise, conclude, table
from unioneyes.adapters.postgres.bootstrap import BACKUP, OPERATOR, OWNER, REPLICATION, SERVICE, bootstrap_operated, create_database
from unioneyes.adapters.postgres.locks import LOCK_TIMEOUT
from unioneyes.adapters.postgres.migrations import DrizzleMigrations
from unioneyes.adapters.postgres.server import SUPERUSER, THROWAWAY, PostgresServer

PASSWORD = SecretStr("of a throwaway server")
ALLOWED = LOCK_TIMEOUT + timedelta(milliseconds=50)
"""Longest wait of a reader: one attempt for the lock, and what a busy machine adds."""
READERS = 4
ROWS = 100_000
COLUMN = "ALTER TABLE claims ADD COLUMN due timestamptz;"
BEFORE = timedelta(seconds=0.3)
"""How long the report has read when the migration begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a way to migrate came to."""

    longest: float
    """Seconds that a reader waited."""
    reads: int
    took: float
    """Seconds until the column stood."""


@contextmanager
def server() -> Iterator[PostgresServer]:
    """A server of its own."""
    folder = Path(tempfile.mkdtemp(prefix="ue-", dir="/tmp"))  # sockets need short paths
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    made = PostgresServer(name="bench", folder=folder, port=port, sockets=folder, settings=THROWAWAY)
    try:
        made.initialise(PASSWORD)
        with made.running_meanwhile():
            bootstrap_operated(made, superuser=PASSWORD, passwords=dict.fromkeys((OWNER, SERVICE, REPLICATION, BACKUP, OPERATOR), PASSWORD))
            yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def blocked(url: SecretStr, seconds: float, migrate: Callable[[], object]) -> Seen:
    """Readers read while a report holds the table for so many seconds and `migrate` wants it."""
    over, waits, reads = threading.Event(), [0.0] * READERS, [0] * READERS

    def read(reader: int) -> None:
        with psycopg.connect(url.get_secret_value(), autocommit=True) as session:
            while not over.wait(0.002):
                began = time.monotonic()
                session.execute("SELECT status FROM claims WHERE id = 1")
                waits[reader], reads[reader] = max(waits[reader], time.monotonic() - began), reads[reader] + 1

    def report() -> None:
        with psycopg.connect(url.get_secret_value()) as session:
            session.execute("SELECT count(*) FROM claims")
            time.sleep(seconds)

    threads = [threading.Thread(target=report), *(threading.Thread(target=read, args=(reader,)) for reader in range(READERS))]
    for thread in threads:
        thread.start()
    time.sleep(BEFORE.total_seconds())
    began = time.monotonic()
    migrate()
    took = time.monotonic() - began
    over.set()
    for thread in threads:
        thread.join()
    return Seen(longest=max(waits), reads=sum(reads), took=took)


def plainly(url: SecretStr) -> None:
    """As `psql -f` does it."""
    with psycopg.connect(url.get_secret_value(), autocommit=True) as session:
        session.execute(COLUMN.encode())


def by_runner(made: PostgresServer, url: SecretStr, folder: Path) -> Callable[[], object]:
    """As `ue db migrate apply` does it."""
    (folder / "meta").mkdir(parents=True)
    (folder / "0000_due.sql").write_text(COLUMN)
    entry = {"idx": 0, "version": "7", "when": 1, "tag": "0000_due", "breakpoints": True}
    (folder / "meta" / "_journal.json").write_text(json.dumps({"version": "7", "dialect": "postgresql", "entries": [entry]}))
    reading = made.url(role=BACKUP, password=PASSWORD, database="bench")
    migrations = DrizzleMigrations(
        database_url=url, versions=lambda: ("1",), folders=lambda _: (folder,), upto=lambda _: "0000_due", reading_url=reading, patience=timedelta(minutes=1)
    )
    return lambda: migrations.apply(migrations.folder("1"))


def main() -> int:
    """Measure both, and hold ours against what was promised."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocked", type=float, default=4.0, help="seconds that the report reads")
    seconds = parser.parse_args().blocked
    with server() as made, tempfile.TemporaryDirectory() as folder:
        url = made.url(role=OWNER, password=PASSWORD, database="bench")
        with psycopg.connect(made.url(role=SUPERUSER, password=PASSWORD, database="postgres").get_secret_value(), autocommit=True) as admin:
            create_database(admin, "bench", owner=OWNER)
        with psycopg.connect(url.get_secret_value(), autocommit=True) as session:
            session.execute("CREATE TABLE claims (id int PRIMARY KEY, status text)")
            session.execute("INSERT INTO claims SELECT n, 'open' FROM generate_series(1, %s) AS n", (ROWS,))
            plain = blocked(url, seconds, lambda: plainly(url))
            session.execute("ALTER TABLE claims DROP COLUMN due")
        ours = blocked(url, seconds, by_runner(made, url, Path(folder) / "migrations"))
    rows = [
        (name, f"{seen.longest * 1000:,.0f} ms", f"{seen.reads:,}", f"{seen.took:.1f} s") for name, seen in (("plain ALTER TABLE", plain), ("our runner", ours))
    ]
    text = f"A report reads for {seconds:g} s; {READERS} readers.\n\n{table(('way', 'longest wait of a reader', 'reads', 'column after'), rows)}"
    allowed = ALLOWED.total_seconds()
    promises = (
        Promise(
            what="longest wait of a reader",
            measured=f"{ours.longest * 1000:,.0f} ms",
            promise=f"at most {allowed * 1000:,.0f} ms: one attempt of {LOCK_TIMEOUT.total_seconds() * 1000:.0f} ms, and a little",
            kept=0 < ours.longest <= allowed,
        ),
        Promise(
            what="the same by a plain ALTER TABLE",
            measured=f"{plain.longest * 1000:,.0f} ms",
            promise="as long as the report: else nothing was measured",
            kept=plain.longest >= (seconds - BEFORE.total_seconds()) * 0.9,
        ),
    )
    return conclude("migrate", title="Readers while a migration waits for its lock", text=text, promises=promises)


if __name__ == "__main__":
    sys.exit(main())
