"""What the drills of the ways back look at, past row level security."""

from __future__ import annotations

from typing import LiteralString

import psycopg
from psycopg.sql import SQL, Identifier

from tests.drills.main_job.main_job import MainJob
from unioneyes.adapters.postgres.bootstrap import DATABASE
from unioneyes.adapters.postgres.server import SUPERUSER

REASON = ("--reason", "data-integrity")
COLUMNS: LiteralString = "select count(*) from pg_attribute where attrelid = 'claims'::regclass and attname = 'deadline'"


def admin(job: MainJob, database: str = DATABASE) -> psycopg.Connection[tuple[object, ...]]:
    """Connect to the operated server as the role that sees every row."""
    parts = job.parts
    address = parts.primary.url(role=SUPERUSER, password=parts.secrets.superuser, database=database)
    return psycopg.connect(address.get_secret_value(), connect_timeout=5, autocommit=True)


def one(job: MainJob, query: LiteralString, *, database: str = DATABASE) -> object:
    """Return the first column of the first row."""
    with admin(job, database) as connection:
        row = connection.execute(query).fetchone()
    assert row is not None
    return row[0]


def databases(job: MainJob) -> set[str]:
    """Return the names of the operated server's databases that belong to the service."""
    with admin(job, "postgres") as connection:
        return {str(row[0]) for row in connection.execute("select datname from pg_database where datname like 'unioneyes%'").fetchall()}


def claims(job: MainJob, database: str = DATABASE) -> set[str]:
    """Return the claims of every tenant."""
    with admin(job, database) as connection:
        return {str(row[0]) for row in connection.execute("select id from claims").fetchall()}


def backed_up(job: MainJob, name: str) -> str:
    """A verified backup of what stands now exists."""
    backups = job.stack.environment.backups
    backups.create(name)
    backups.verify(name)
    backups.discard_scratch(name)
    return name


def drop_kept(job: MainJob) -> None:
    """No database of an earlier restore is left."""
    with admin(job, "postgres") as connection:
        for name in databases(job) - {DATABASE}:
            connection.execute(SQL("drop database {} with (force)").format(Identifier(name)))


def deadlines(job: MainJob) -> int:
    """Return how many claims have a deadline."""
    return int(str(one(job, "select count(deadline) from claims")))


def filled_deadlines(job: MainJob) -> None:
    """Some claims have a deadline, as 1.1.0 sets it."""
    with admin(job) as connection:
        connection.execute("update claims set deadline = current_date + 14 where deadline is null")
    assert deadlines(job), "the smoke tests of a deployment leave claims"
