"""Bad days of base backups and recoveries: what is told of each, and that nothing is left of what ended in its middle."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.contract.recovery.world import World
from tests.disks import small_disk
from tests.stack import eventually
from unioneyes.adapters.postgres.recovery.bases import BaseBackups
from unioneyes.adapters.postgres.recovery.scratch import RecoveryServers
from unioneyes.ports.database import DatabaseUnavailable
from unioneyes.ports.recovery import BaseFailed, OutsideWindow, RecoveryFailed, Target

pytestmark = pytest.mark.stack

BULK = "CREATE TABLE IF NOT EXISTS bulk AS SELECT repeat(md5(n::text), 30) AS text FROM generate_series(1, 60000) AS n"
"""Some 60 MiB: more than what is on its way at a moment."""


def copying(folder: Path) -> int | None:
    """Return the process that copies into `folder`; None while there is none."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if words[0].endswith(b"/pg_basebackup") and any(word.startswith(os.fsencode(folder)) for word in words):
            return int(process.name)
    return None


def sends(primary: World) -> bool:
    with primary.connect() as connection:
        query = "SELECT count(*) FROM pg_stat_replication WHERE application_name = 'pg_basebackup' AND state = 'backup'"
        return connection.execute(query).fetchone() != (0,)


def left(primary: World, name: str) -> list[str]:
    return [path.name for path in (primary.folder / "bases").iterdir() if path.name.startswith(name)]


@pytest.mark.parametrize("by", ["the server", "a kill"])
def test_a_base_backup_that_is_cut_off_leaves_nothing(primary: World, by: str) -> None:
    primary.run(BULK)
    name = "base_cut" if by == "the server" else "base_killed_off"
    with ThreadPoolExecutor(1) as other:
        made = other.submit(primary.recovery.back_up, name, incremental=False)
        found: list[int] = []

        def stopped() -> bool:
            if (process := copying(primary.folder / "bases")) is not None and sends(primary):
                os.kill(process, signal.SIGSTOP)  # it takes no more: the server can't be done before it is cut off
                found.append(process)
            return bool(found) or made.done()

        while not stopped():
            time.sleep(0.002)
        assert found, made.result()
        if by == "the server":
            primary.run("SELECT pg_terminate_backend(pid) FROM pg_stat_replication WHERE application_name = 'pg_basebackup'")
            os.kill(found[0], signal.SIGCONT)
        else:
            os.kill(found[0], signal.SIGKILL)  # it removes nothing of its own then
        with pytest.raises(BaseFailed, match="pg_basebackup failed") as caught:
            made.result(60)
    assert "try again" in caught.value.remedy
    assert left(primary, name) == []
    assert primary.recovery.back_up(name, incremental=False).name == name


def test_a_full_disk_fails_a_base_backup_says_how_much_room_there_is_and_leaves_nothing(primary: World) -> None:
    folder = primary.folder / "small"
    with small_disk(folder, "12M"):
        small = BaseBackups(folder=folder, database_url=primary.reached)
        with pytest.raises(BaseFailed, match="No space left on device") as caught:
            small.take("base_full", incremental=False)
        assert " free" in caught.value.what
        assert "make room" in caught.value.remedy
        assert [path.name for path in folder.iterdir() if path.name.startswith("base_")] == []
        assert small.all() == ()


def test_a_full_disk_where_it_is_recovered_leaves_no_scratch_server(primary: World) -> None:
    primary.claim(1)
    primary.received()
    point = primary.recovery.find(Target(end=True))
    for size in ("6M", "48M"):  # too small for the copy; for what the copy gets from the log
        with small_disk(primary.folder / "scratch", size):
            servers = RecoveryServers(primary.folder / "scratch", primary.folder / "s")
            small = replace(primary.recovery, servers=servers)
            try:
                with pytest.raises(RecoveryFailed, match="No space left on device") as caught:
                    small.recover("it", point)
            finally:
                small.close()
            assert "make room" in caught.value.remedy
            assert " free" in caught.value.what
            assert [path for path in (primary.folder / "scratch").iterdir() if path.is_dir()] == []


@pytest.mark.parametrize(
    ("harm", "amends", "says", "remedy"),
    [
        ("ALTER ROLE ue_replication NOREPLICATION", "ALTER ROLE ue_replication REPLICATION", "WAL sender", "ALTER ROLE ue_replication REPLICATION"),
        ("ALTER ROLE ue_replication NOLOGIN", "ALTER ROLE ue_replication LOGIN", "not permitted to log in", "ALTER ROLE ue_replication LOGIN"),
    ],
)
def test_a_role_that_may_too_little_is_told_what_is_missing(primary: World, harm: str, amends: str, says: str, remedy: str) -> None:
    primary.run(harm)
    try:
        with pytest.raises((BaseFailed, DatabaseUnavailable), match=says) as caught:
            primary.recovery.back_up("base_kept_out", incremental=False)
    finally:
        primary.run(amends)
    assert remedy in caught.value.remedy
    assert left(primary, "base_kept_out") == []


def test_a_password_that_is_refused_or_not_given_is_told_as_that(primary: World) -> None:
    address = primary.reached.get_secret_value()
    given = address.partition("ue_replication:")[2].partition("@")[0]
    for password, remedy in (("wrong", "right password of ue_replication"), ("", "names no password of ue_replication")):
        kept_out = BaseBackups(folder=primary.folder / "bases", database_url=SecretStr(address.replace(f":{given}@", f":{password}@")))
        with pytest.raises(DatabaseUnavailable, match="password") as caught:
            kept_out.take("base_kept_out", incremental=False)
        assert remedy in caught.value.remedy
        assert given not in caught.value.what + caught.value.remedy


def test_a_moment_after_which_nothing_is_kept_is_refused_where_the_server_is_gone(primary: World) -> None:
    _, after = primary.claim(1)
    primary.received()
    alone = World(folder=primary.folder, server=replace(primary.server, port=1), mode=primary.mode).recovery
    with pytest.raises(OutsideWindow, match=r"no commit after .* is kept; what can be recovered to: 20") as caught:
        alone.find(Target(time=after))
    assert "ue backup wal" in caught.value.remedy


def test_what_is_brought_over_and_cut_off_leaves_no_database(primary: World) -> None:
    primary.claim(1)
    primary.run(
        "CREATE OR REPLACE FUNCTION slowly(n int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN "
        "IF current_setting('application_name') = 'pg_restore' THEN PERFORM pg_sleep(120); END IF; RETURN n; END $$",
        "CREATE INDEX slow ON claims (slowly(id))",
    )
    try:
        primary.received()
        primary.recovery.recover("it", primary.recovery.find(Target(end=True)))
        with ThreadPoolExecutor(1) as other:
            brought = other.submit(primary.recovery.export, "it", into="back", table=None)
            assert eventually(_restores(primary), within=60)
            primary.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pg_restore'")
            with pytest.raises(RecoveryFailed, match="nothing is left of back") as caught:
                brought.result(60)
        assert "cut it off" in caught.value.remedy
    finally:
        primary.run("DROP INDEX slow", "DROP FUNCTION slowly")
    with primary.connect() as connection:
        assert not {"back", "back_recovering"} & {row[0] for row in connection.execute("SELECT datname FROM pg_database")}


def _restores(primary: World) -> Callable[[], bool]:
    def look() -> bool:
        with primary.connect() as connection:
            query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pg_restore' AND wait_event = 'PgSleep'"
            return connection.execute(query).fetchone() != (0,)

    return look
