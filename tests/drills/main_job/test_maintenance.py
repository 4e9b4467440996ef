"""Maintenance tells members to come back, and is gone afterwards, however the deployment ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
import pytest

from tests.drills.main_job.main_job import MainJob
from tests.stack import eventually

LOOK_EVERY = 0.02
FLAGS = ("--migrate", "--maintenance", "--bake", "1s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Asks for the service's health again and again, as members reach it."""

    url: str
    seen: list[tuple[int, str | None]] = field(default_factory=list)
    """Status and Retry-After of each answer that was not the same as the one before."""

    def look(self, over: threading.Event) -> None:
        with httpx.Client(base_url=self.url, timeout=10) as client:
            while not over.wait(LOOK_EVERY):
                answer = client.get("/api/health")
                now = (answer.status_code, answer.headers.get("retry-after"))
                if self.seen[-1:] != [now]:
                    self.seen.append(now)


@pytest.fixture
def old_schema(job: MainJob) -> MainJob:
    """1.0.0 serves, and the migration of 1.1.0 is still to be applied."""
    job.ensure_not_migrated(serving="1.0.0", to="1.1.0")
    return job


def test_members_are_told_to_come_back_while_the_migration_runs_and_are_served_afterwards(old_schema: MainJob) -> None:
    with visited(old_schema) as visitor:
        said = old_schema.deploy("1.1.0", *FLAGS)
    assert said.code == 0, said.err
    assert visitor.seen == [(200, None), (503, "30"), (200, None)]
    assert old_schema.serving().version == "1.1.0"


def test_a_migration_that_gets_no_lock_gives_up_and_maintenance_is_gone(old_schema: MainJob) -> None:
    before, ledger = old_schema.serving(), old_schema.ledger()
    with visited(old_schema) as visitor, locked_out(old_schema) as run:
        ended = old_schema.ended(run)
        waiting = old_schema.waiting_locks()
    assert ended.code == 5, ended.err
    assert old_schema.run(ended)["step"] == "apply_migrations"
    assert "held by" in ended.err
    assert waiting == 0, "a session that waits for a lock holds up all who come after it"
    assert (old_schema.serving(), old_schema.ledger()) == (before, ledger)
    assert visitor.seen == [(200, None), (503, "30"), (200, None)]


def test_a_deployment_that_is_cancelled_in_maintenance_leaves_none_behind(old_schema: MainJob) -> None:
    before, ledger = old_schema.serving(), old_schema.ledger()
    with visited(old_schema) as visitor:
        with locked_out(old_schema) as run:
            old_schema.wait_for_step(run, "apply_migrations")
            cancelled = old_schema.stack.ue("run", "cancel", run, "--reason", "not today")
        ended = old_schema.ended(run)
    assert cancelled.code in {0, 8}, cancelled.err
    assert old_schema.run(ended)["status"] == "cancelled"
    assert (old_schema.serving(), old_schema.ledger()) == (before, ledger)
    assert visitor.seen == [(200, None), (503, "30"), (200, None)]


def test_a_deployment_that_is_cancelled_in_its_backup_ends_the_dump_at_once_and_leaves_nothing_of_it(old_schema: MainJob) -> None:
    before, ledger, there = old_schema.serving(), old_schema.ledger(), backups(old_schema)
    with dump_held(old_schema):
        run = old_schema.started("1.1.0", *FLAGS)
        assert eventually(lambda: dumping(old_schema) > 0, within=60), old_schema.journal(run)
        cancelled = old_schema.stack.ue("run", "cancel", run, "--reason", "not today")
        assert eventually(lambda: dumping(old_schema) == 0, within=5)
        ended = old_schema.ended(run, within=20)
    assert cancelled.code in {0, 1, 8}, cancelled.err
    assert old_schema.run(ended)["status"] == "cancelled"
    failed = [entry for entry in old_schema.journal(run) if entry["kind"] == "step-failed"]
    assert [(entry["step"], entry["message"]) for entry in failed] == [("back_up_database", "stopped: the run was cancelled")]
    assert backups(old_schema) == there
    assert (old_schema.serving(), old_schema.ledger()) == (before, ledger)


def backups(job: MainJob) -> set[str]:
    """Return what stands where backups are kept."""
    return {path.name for path in job.parts.layout.backups.iterdir()}


def dumping(job: MainJob) -> int:
    """Return how many sessions of pg_dump wait for a lock."""
    with job.superuser() as connection:
        row = connection.execute("select count(*) from pg_stat_activity where application_name = 'pg_dump' and wait_event_type = 'Lock'").fetchone()
    assert row is not None
    return int(str(row[0]))


@contextmanager
def dump_held(job: MainJob) -> Iterator[None]:
    """No dump gets to its end: somebody has a table that the dump locks, and the comparison before it does not, for it has no rows of its own."""
    with job.superuser() as maker:
        maker.execute("create table parted (n int) partition by range (n)")
    try:
        with job.superuser() as holder:
            holder.execute("lock table parted in access exclusive mode")
            yield
    finally:
        with job.superuser() as maker:
            maker.execute("drop table parted")


@contextmanager
def visited(job: MainJob) -> Iterator[Visitor]:
    """Somebody visits the service during the block, and is served before and after it."""
    visitor, over = Visitor(url=job.parts.service_url), threading.Event()
    looking = threading.Thread(target=visitor.look, args=(over,))
    looking.start()
    try:
        yield visitor
    finally:
        over.set()
        looking.join(timeout=20)


@contextmanager
def locked_out(job: MainJob) -> Iterator[str]:
    """A deployment of 1.1.0 is under way, and somebody else reads the table that its migration needs, and does not end."""
    with job.database() as holder:
        holder.execute("lock table claims in access share mode")
        yield job.started("1.1.0", *FLAGS)
