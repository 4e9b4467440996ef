"""What the audit log costs: appends beside plain inserts and beside a hash chain, and how fast the whole log is verified.

Writers, each a process of its own, append in one transaction after the other, on a PostgreSQL that keeps what it was told, while the sequencer seals. The
plain way inserts the same text into a table with nothing but a key; the chain locks its head, as a log does whose entries each hold the hash of the one
before. The three take turns, so that a busy machine slows all of them; what is promised is the median over the rounds.

    .venv/bin/python bench/bench_audit.py [--writers 16] [--seconds 5] [--rounds 5] [--entries 500000]

It ends non-zero when appends are slower beside plain inserts than promised, when verification is, or when an entry was appended that the sealed log does
not hold.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier

import psycopg
from pydantic import SecretStr
from sqlalchemy import Connection, create_engine, make_url, text

from measured import Promise, conclude, ratio, table
from servers import running_postgres
from unioneyes.adapters.files import CheckpointFile
from unioneyes.kernel.clock import now
from unioneyes.kernel.redaction import Redactor
from unioneyes.runbook.audit.checkpoints import empty_checkpoint, sign_checkpoint
from unioneyes.runbook.audit.entry import Action, AuditEntry, entry_text
from unioneyes.runbook.audit.export import header_line, leaf_line, read_export
from unioneyes.runbook.audit.log import AuditLog
from unioneyes.runbook.audit.merkle import Tree, leaf_hash
from unioneyes.runbook.audit.notes import Signer
from unioneyes.runbook.audit.sealing import Sealing
from unioneyes.runbook.audit.verification import verify
from unioneyes.runbook.store.audit import AuditTrail
from unioneyes.runbook.store.database import ControlDatabase
from unioneyes.runbook.store.schema import migrate

APPEND_RATIO = 0.8
"""Figure to reach of the design: "audit append, 16 writers: >= 80 % of a plain insert"."""
VERIFIED_PER_SECOND = 90_000
"""The same: "verify >= 90k/s"."""
SEALED_WITHIN = 120
"""Seconds until everything that the writers left is sealed."""

SIGNER = Signer.of("unioneyes/bench", bytes(32))
REDACT = Redactor(["a-secret-of-the-environment", "another-secret-of-it"])
TRAIL = AuditTrail(REDACT)
TABLES = """
CREATE TABLE plain (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, entry text NOT NULL);
CREATE TABLE chain (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, entry text NOT NULL, hash bytea NOT NULL);
CREATE TABLE chain_head (hash bytea NOT NULL);
INSERT INTO chain_head VALUES ('');
"""
_PLAIN = text("INSERT INTO plain (entry) VALUES (:entry)")
_HEAD = text("SELECT hash FROM chain_head FOR UPDATE")
_LINK = text("WITH link AS (INSERT INTO chain (entry, hash) VALUES (:entry, :hash)) UPDATE chain_head SET hash = :hash")

Append = Callable[[Connection, AuditEntry], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """How fast a log was verified."""

    entries: int
    size: int
    """Bytes of the export."""
    seconds: float

    @property
    def per_second(self) -> float:
        """Entries."""
        return self.entries / self.seconds


def main() -> int:
    """Measure all, print it, and say whether the promises hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--writers", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=5, help="of each way in each round (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--entries", type=int, default=500_000, help="that are verified (%(default)s)")
    asked = parser.parse_args()
    with bench() as stand:
        rates = {way: list[float]() for way in WAYS}
        for number in range(asked.rounds):
            for way in WAYS:
                rates[way].append(stand.write(way, writers=asked.writers, seconds=asked.seconds))
                print(f"round {number + 1}: {way} {rates[way][-1]:,.0f}/s", flush=True)
        sealed = stand.seal_the_rest()
        appended = stand.appended()
    verified = verification(asked.entries)
    beside = statistics.median(ours / plain for ours, plain in zip(rates["ours"], rates["plain"], strict=True))
    plain = statistics.median(rates["plain"])
    rows = [(way, f"{statistics.median(found):,.0f}", ratio(statistics.median(found), plain)) for way, found in rates.items()]
    page = (
        f"{asked.writers} writers, {asked.rounds} rounds of {asked.seconds:g} s each\n\n{table(('way', 'entries/s', 'beside plain'), rows)}\n\n"
        f"verified {verified.entries:,} entries, {verified.size / 1e6:,.0f} MB of export, in {verified.seconds:.2f} s: {verified.per_second:,.0f} entries/s\n"
        f"sealed and witnessed {sealed.seconds:.1f} s after the last append"
    )
    promises = (
        Promise(what="appends beside plain inserts", measured=f"{beside:.2f}x", promise=f">= {APPEND_RATIO}x", kept=beside >= APPEND_RATIO),
        Promise(
            what="verification",
            measured=f"{verified.per_second:,.0f} entries/s",
            promise=f">= {VERIFIED_PER_SECOND:,} entries/s",
            kept=verified.per_second >= VERIFIED_PER_SECOND,
        ),
        Promise(what="appended and found in the sealed log", measured=f"{sealed.entries:,}", promise=f"{appended:,}", kept=sealed.entries == appended > 0),
    )
    return conclude("audit", title="What the audit log costs", text=page, promises=promises)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A server, and what seals the audit log on it."""

    url: str
    database: ControlDatabase
    sealing: Sealing

    def write(self, way: str, *, writers: int, seconds: float) -> float:
        """Return how many entries a second were appended that way; the sequencer seals meanwhile, as it does in production."""
        forking = multiprocessing.get_context("fork")
        counts: multiprocessing.Queue[int] = forking.Queue()
        begin = forking.Barrier(writers + 1)
        processes = [forking.Process(target=_write_on, args=(self.url, way, seconds, begin, counts)) for _ in range(writers)]
        for process in processes:
            process.start()
        log = AuditLog(self.database, self.sealing)
        log.start()
        begin.wait()
        total = sum(counts.get() for _ in processes)
        for process in processes:
            process.join()
        log.stop()
        return total / seconds

    def seal_the_rest(self) -> Verified:
        """Everything is sealed; return how long that took, and how many entries of the sealed log were verified, none where anything is wrong."""
        log = AuditLog(self.database, self.sealing)
        began = time.monotonic()
        log.start()
        while (status := log.status()).unsealed or status.covered < status.sealed:
            if time.monotonic() - began > SEALED_WITHIN:
                break
            time.sleep(0.05)
        took = time.monotonic() - began
        log.stop()
        header, leaves = read_export(log.export())
        found = verify(leaves, header.checkpoints, SIGNER.verifier)
        return Verified(entries=0 if found.fault else found.last.size if found.last else 0, size=0, seconds=took)

    def appended(self) -> int:
        """Return how many entries stand in the table."""
        with psycopg.connect(self.url) as connection:
            row = connection.execute("SELECT count(*) FROM ue.audit_entries").fetchone()
        return row[0] if row else 0


@contextmanager
def bench() -> Iterator[Bench]:
    """A PostgreSQL of its own that keeps what it was told, gone afterwards."""
    with running_postgres() as (url, folder):
        database = ControlDatabase(SecretStr(url), name="bench")
        migrate(database)
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute(TABLES.encode())
        witness = CheckpointFile(folder / "checkpoints")
        witness.keep(empty_checkpoint(SIGNER, now()).note)
        yield Bench(url=url, database=database, sealing=Sealing(signer=SIGNER, witness=witness))
        database.close()


def plainly(connection: Connection, entry: AuditEntry) -> None:
    """The entry's text stands in a table."""
    connection.execute(_PLAIN, {"entry": entry_text(entry, REDACT)})


def chained(connection: Connection, entry: AuditEntry) -> None:
    """The entry's text stands in a table, with the hash of it and of the entry before."""
    line = entry_text(entry, REDACT)
    head: bytes = connection.execute(_HEAD).scalar_one()
    connection.execute(_LINK, {"entry": line, "hash": hashlib.sha256(head + line.encode()).digest()})


WAYS: dict[str, Append] = {"plain": plainly, "ours": TRAIL.append, "chain": chained}


def _write_on(url: str, way: str, seconds: float, begin: Barrier, counts: multiprocessing.Queue[int]) -> None:
    """Append, one transaction after the other; tell how many."""
    append = WAYS[way]
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    count = 0
    with engine.connect() as connection:
        with connection.begin():  # what is prepared once is no part of the measurement
            connection.execute(text("SELECT 1"))
        begin.wait()
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            with connection.begin():
                append(connection, an_entry(count))
            count += 1
    counts.put(count)


def an_entry(number: int) -> AuditEntry:
    """Return an entry as a deployment leaves them."""
    return AuditEntry(
        at=now(),
        actor="engineer@example.org",
        action=Action.RUN_REQUESTED,
        run=f"deployment-20260209-143000-{number:05}",
        reason="the release that fixes the deadline of claims",
        data={"runbook": "deployment.start", "summary": "deploy 1.1.0 to green", "plan_hash": "0" * 64, "request": {"version": "1.1.0", "migrate": True}},
    )


def verification(entries: int) -> Verified:
    """Return how fast an export of so many entries is verified."""
    tree = Tree()
    notes, lines = [], []
    for index in range(entries):
        line = entry_text(an_entry(index), REDACT)
        hashed = leaf_hash(line.encode())
        tree.append(hashed)
        lines.append(leaf_line(index, hashed, line))
        if tree.size % 1_000 == 0 or tree.size == entries:
            notes.append(sign_checkpoint(SIGNER, size=tree.size, root=tree.root(), at=now()).note)
    key = str(SIGNER.verifier)
    whole = [header_line(key=key, checkpoints=tuple(notes)), *lines]
    began = time.monotonic()
    header, leaves = read_export(whole)
    found = verify(leaves, header.checkpoints, SIGNER.verifier)
    took = time.monotonic() - began
    assert found.fault is None
    assert found.entries == entries
    return Verified(entries=entries, size=sum(map(len, whole)), seconds=took)


if __name__ == "__main__":
    sys.exit(main())
