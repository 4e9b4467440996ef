"""No room is left: where the backup is written, and in the service's database while its schema is changed."""

from __future__ import annotations

import os
import resource
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.drills.main_job.main_job import MainJob
from unioneyes.environments.local.members import run_members

RATE = 30.0
ROOM = 8 << 10
"""Bytes for a backup: less than the smallest one needs."""
GROWTH = 24 << 20
"""Bytes to which a file of the database may grow: more than the write-ahead log's segments have."""
LONGER_THAN_AN_ATTEMPT = 0.5
"""Seconds: a migration waits for a lock for 0.3 s at a time."""


@pytest.fixture
def old_schema(job: MainJob) -> MainJob:
    """1.0.0 serves, and the migration of 1.1.0 is still to be applied."""
    job.ensure_not_migrated(serving="1.0.0", to="1.1.0")
    return job


def test_a_backup_that_finds_no_room_is_removed_and_nothing_else_was_changed(old_schema: MainJob) -> None:
    before, ledger = old_schema.serving(), old_schema.ledger()
    folder = old_schema.stack.layout.backups
    kept = {path.name for path in folder.iterdir()}
    with run_members(old_schema.stack.home, rate=RATE) as members:
        with no_room_for_backups(old_schema):
            said = old_schema.deploy("1.1.0", "--migrate", "--bake", "1s")
            left = {path.name for path in folder.iterdir()}
        seen = members.finish()
    assert said.code in {1, 5}, said.err
    assert old_schema.run(said)["step"] == "back_up_database"
    assert " free" in said.err
    assert "make room" in said.err
    assert left <= kept, "a part of the backup stayed"
    assert (old_schema.serving(), old_schema.ledger()) == (before, ledger)
    assert before.idle_version is None
    assert seen.lost == 0
    assert old_schema.deploy("1.1.0", "--migrate", "--bake", "1s").code == 0, "with room again, it does not go on"


@pytest.mark.campaign
def test_a_migration_that_fills_the_database_s_disk_is_rolled_back(old_schema: MainJob) -> None:
    """The database's files may not grow any more: the kernel refuses as on a full disk, with `File too large` for `No space left on device`."""
    before, ledger = old_schema.serving(), old_schema.ledger()
    with run_members(old_schema.stack.home, rate=RATE) as members:
        run = old_schema.begin({"version": "1.1.0", "migrate": True, "bake": "PT1S"})
        old_schema.reach(run, "rehearse_migrations")
        with no_growth_of_the_database(old_schema):
            try:
                with old_schema.database() as holder:
                    holder.execute("lock table claims in access share mode")  # the migration waits behind it, the members do not
                    old_schema.reach(run, "discard_scratch")
                    let_each_change_of_a_table_fill_another(old_schema)
                    time.sleep(LONGER_THAN_AN_ATTEMPT)  # one that began before knows nothing of it
                ended = old_schema.ended(run)
            finally:
                forget_the_other_table(old_schema)
        seen = members.finish()
    assert ended.code == 5, ended.err
    assert old_schema.run(ended)["step"] == "apply_migrations"
    assert "could not extend file" in ended.err
    assert "everything was rolled back, and nothing was changed" in ended.err
    assert (old_schema.serving(), old_schema.ledger()) == (before, ledger)
    assert before.idle_version is None
    assert seen.lost == 0


@contextmanager
def no_room_for_backups(job: MainJob) -> Iterator[None]:
    """The backups' folder is a disk of `ROOM` bytes where we may mount one; else no file that the worker or its children write may be larger."""
    folder = job.stack.layout.backups
    if os.geteuid() == 0 and mounted(folder):
        try:
            yield
        finally:
            subprocess.run(("umount", str(folder)), check=True, timeout=20)
    else:
        with largest_file(job.stack.pid("control"), ROOM):
            yield


def mounted(folder: Path) -> bool:
    """Return whether a small disk was mounted over `folder`; a root without the right to mount is none."""
    done = subprocess.run(("mount", "-t", "tmpfs", "-o", f"size={ROOM},mode=0700", "tmpfs", str(folder)), capture_output=True, timeout=20, check=False)
    return done.returncode == 0


@contextmanager
def no_growth_of_the_database(job: MainJob) -> Iterator[None]:
    """No file of the service's database grows beyond `GROWTH` by a session that begins in the block."""
    postmaster = int((job.parts.primary.data / "postmaster.pid").read_text().splitlines()[0])
    with largest_file(postmaster, GROWTH):
        yield


@contextmanager
def largest_file(pid: int, size: int) -> Iterator[None]:
    """The process, and whatever it starts in the block, writes no file larger than `size` bytes."""
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


def let_each_change_of_a_table_fill_another(job: MainJob) -> None:
    """From now on each ALTER TABLE writes 64 MB: a page for each row."""
    with job.superuser() as connection:
        connection.execute("create table ballast (filler char(2000) default '') with (fillfactor = 10)")
        connection.execute(
            "create function weigh_down() returns event_trigger security definer language plpgsql as "
            "$$begin insert into ballast select from generate_series(1, 8192); end$$"
        )
        connection.execute("create event trigger weigh_down on ddl_command_end when tag in ('ALTER TABLE') execute function weigh_down()")


def forget_the_other_table(job: MainJob) -> None:
    """The database is as it was before."""
    with job.superuser() as connection:
        connection.execute("drop event trigger if exists weigh_down")
        connection.execute("drop function if exists weigh_down()")
        connection.execute("drop table if exists ballast")
