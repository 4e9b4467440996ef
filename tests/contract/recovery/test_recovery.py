"""The contract of the port `Recovery`, on a real PostgreSQL: exactly what was committed before is there, and nothing after it."""

from __future__ import annotations

import shutil
from datetime import timedelta
from itertools import count

import psycopg
import pytest
import time_machine

from tests.contract.postgres.conftest import Database
from tests.contract.recovery.world import World
from tests.stack import eventually
from unioneyes.adapters.postgres.recovery.positions import Segment
from unioneyes.kernel.clock import now
from unioneyes.kernel.problems import BadInput
from unioneyes.ports.database import DatabaseExists
from unioneyes.ports.recovery import (
    BaseBroken,
    BaseFailed,
    NoParent,
    NoSuchBase,
    NoSuchDrop,
    NoSuchTransaction,
    OutsideWindow,
    RecoveryFailed,
    Target,
    WalMode,
)

pytestmark = pytest.mark.stack
NUMBERS = count(1)


def recovered(world: World, target: Target, *, table: str | None = None) -> list[int]:
    """Return the claims of the database that was recovered to `target`, and brought over to the live server."""
    world.recovery.recover("it", world.recovery.find(target))
    world.recovery.export("it", into="back", table=table)
    return world.numbers("back")


def test_the_last_row_that_was_acknowledged_before_a_moment_is_there_and_the_next_is_not(primary: World) -> None:
    moments = {number: primary.claim(number)[1] for number in range(1, 6)}
    assert recovered(primary, Target(time=moments[3])) == [1, 2, 3]


def test_a_moment_after_which_nothing_was_committed_can_be_recovered_to(primary: World) -> None:
    """Recovery ends at a later commit, so one is made."""
    _, after = primary.claim(1)
    assert recovered(primary, Target(time=after)) == [1]


def test_what_was_committed_before_a_transaction_is_there_and_itself_not(primary: World) -> None:
    primary.claim(1)
    xid, _ = primary.claim(2)
    primary.claim(3)
    primary.received()
    assert recovered(primary, Target(before_xid=xid)) == [1]


def test_everything_is_there_at_the_end(primary: World) -> None:
    for number in range(1, 4):
        primary.claim(number)
    primary.received()
    assert recovered(primary, Target(end=True)) == [1, 2, 3]


def test_a_dropped_table_is_found_in_the_log_and_comes_back_with_every_row(primary: World) -> None:
    primary.run("CREATE TABLE notes (id int PRIMARY KEY, body text)", "INSERT INTO notes SELECT n, 'note' FROM generate_series(1, 500) AS n")
    name = f"base_{next(NUMBERS)}"
    primary.recovery.back_up(name, incremental=False)
    primary.run("INSERT INTO notes VALUES (501, 'the last')", "DROP INDEX IF EXISTS none", "DROP TABLE notes")
    primary.run("CREATE TABLE other (id int)", "DROP TABLE other")
    primary.received()
    point = primary.recovery.find(Target(before_drop="notes"))
    assert "dropped public.notes" in point.said
    assert point.base == name
    done = primary.recovery.recover("it", point)
    assert done.rows >= 501
    assert done.last_commit is not None
    exported = primary.recovery.export("it", into="back", table="public.notes")
    assert exported.rows == 501
    with Database(server=primary.server, name="back").connect() as connection:
        assert connection.execute("SELECT count(*), max(id) FROM notes").fetchone() == (501, 501)
        assert connection.execute("SELECT count(*) FROM claims").fetchone() == (0,), "of one table alone the rows are brought over"


def test_a_table_that_was_written_anew_before_it_was_dropped_is_followed(primary: World) -> None:
    primary.run("CREATE TABLE followed (id int PRIMARY KEY, body text)", "INSERT INTO followed VALUES (1, 'x')")
    primary.recovery.back_up(f"base_{next(NUMBERS)}", incremental=False)
    primary.run("VACUUM FULL followed", "TRUNCATE followed", "INSERT INTO followed VALUES (7, 'y')", "ALTER TABLE followed ALTER id TYPE bigint")
    with primary.connect() as connection:
        dropped = connection.execute("SELECT pg_current_xact_id()").fetchone()
    primary.run("INSERT INTO followed VALUES (8, 'z')", "DROP TABLE followed")
    primary.received()
    assert dropped is not None
    primary.recovery.recover("it", primary.recovery.find(Target(before_drop="public.followed")))
    primary.recovery.export("it", into="back", table="public.followed")
    with Database(server=primary.server, name="back").connect() as connection:
        assert connection.execute("SELECT array_agg(id ORDER BY id) FROM followed").fetchone() == ([7, 8],)


def test_a_table_that_a_migration_dropped_among_others_is_found(primary: World) -> None:
    primary.run("CREATE TABLE old (id int)", "INSERT INTO old VALUES (1), (2)")
    primary.recovery.back_up(f"base_{next(NUMBERS)}", incremental=False)
    primary.run("DROP TABLE old; CREATE TABLE new_one (id int PRIMARY KEY, body text)")
    primary.received()
    primary.recovery.recover("it", primary.recovery.find(Target(before_drop="old")))
    assert primary.recovery.export("it", into="back", table="public.old").rows == 2
    primary.run("DROP TABLE new_one")


def test_a_table_that_stands_was_not_dropped(primary: World) -> None:
    with pytest.raises(NoSuchDrop, match="the live database has it"):
        primary.recovery.find(Target(before_drop="organizations"))
    with pytest.raises(NoSuchDrop, match="no base backup knows"):
        primary.recovery.find(Target(before_drop="nobody"))


def test_a_moment_before_the_window_or_in_the_future_is_refused_with_the_window(primary: World) -> None:
    _, after = primary.claim(1)
    with pytest.raises(OutsideWindow, match=r"before the first base backup.*what can be recovered to: 20"):
        primary.recovery.find(Target(time=after - timedelta(days=1)))
    with pytest.raises(OutsideWindow, match=r"the future: the server's clock says.*what can be recovered to: 20"):
        primary.recovery.find(Target(time=after + timedelta(hours=1)))
    with pytest.raises(NoSuchTransaction, match="no transaction 4000000"):
        primary.recovery.find(Target(before_xid=4_000_000))


def test_times_are_the_servers_own_whatever_ours_says(primary: World) -> None:
    for ahead in (timedelta(days=3), timedelta(days=-3)):
        with time_machine.travel(now() + ahead, tick=True):
            made = primary.recovery.back_up(f"base_{next(NUMBERS)}", incremental=False)
            _, after = primary.claim(next(NUMBERS))
            assert timedelta(0) <= after - made.ended_at < timedelta(minutes=5)
            assert primary.recovery.find(Target(time=after)).base == made.name
            with pytest.raises(OutsideWindow, match="the future"):
                primary.recovery.find(Target(time=after + timedelta(hours=1)))
            assert primary.recovery.prunable().bases == ()


def test_an_incremental_base_backup_leads_on_like_a_whole_one(primary: World) -> None:
    primary.claim(1)
    whole = primary.recovery.back_up(f"base_{next(NUMBERS)}", incremental=False)
    primary.claim(2)
    changes = primary.recovery.back_up(f"base_{next(NUMBERS)}", incremental=True)
    assert changes.parent == whole.name
    assert changes.bytes < whole.bytes
    _, after = primary.claim(3)
    primary.claim(4)
    primary.received()
    point = primary.recovery.find(Target(time=after))
    assert point.base == changes.name
    assert recovered(primary, Target(time=after)) == [1, 2, 3]


def test_it_is_safe_to_repeat_and_a_database_of_somebody_elses_is_left_alone(primary: World) -> None:
    primary.claim(1)
    made = primary.recovery.back_up("base_one", incremental=False)
    assert primary.recovery.back_up("base_one", incremental=False) == made
    killed = primary.folder / "bases" / "base_killed.partial"  # what a process leaves that is killed in the middle
    (killed / "base").mkdir(parents=True)
    (killed / "base" / "half").write_text("x")
    again = primary.recovery.back_up("base_killed", incremental=False)
    assert not killed.exists()
    assert not (again.path / "base" / "half").exists()
    primary.received()
    point = primary.recovery.find(Target(end=True))
    primary.recovery.recover("it", point)
    primary.recovery.recover("it", point)
    first = primary.recovery.export("it", into="back", table=None)
    assert primary.recovery.export("it", into="back", table=None).rows == first.rows
    primary.run("CREATE DATABASE there")
    with pytest.raises(DatabaseExists):
        primary.recovery.export("it", into="there", table=None)
    with pytest.raises(DatabaseExists):
        primary.recovery.require_absent("there")
    primary.recovery.discard_export("it", into="there")
    primary.recovery.discard_export("it", into="back")
    with primary.connect() as connection:
        names = {row[0] for row in connection.execute("SELECT datname FROM pg_database")}
    assert "there" in names
    assert not {"back", "back_recovering"} & names


def test_a_recovered_server_is_one_to_look_into_and_its_life_is_not_in_the_log(primary: World) -> None:
    primary.claim(1)
    primary.received()
    before = set(primary.wal_folder.iterdir())
    done = primary.recovery.recover("it", primary.recovery.find(Target(end=True)))
    address = primary.recovery.servers.url("it").get_secret_value()
    assert done.way_in.startswith("psql ")
    with psycopg.connect(address, autocommit=True) as inside:
        inside.execute("INSERT INTO claims VALUES (99, 1, 'in the copy')")
        inside.execute("SELECT pg_switch_wal()")
    assert primary.numbers(primary.live.name) == [1]
    assert {path.name for path in primary.wal_folder.iterdir()} - {path.name for path in before} == set()
    assert primary.recovery.running("it")
    primary.recovery.discard("it")
    assert not primary.recovery.running("it")
    with pytest.raises(RecoveryFailed, match="does not run"):
        primary.recovery.export("it", into="back", table=None)


def test_the_folders_alone_are_enough(primary: World) -> None:
    """The catalogue is the manifests beside the base backups: another process, or another machine, reads the same."""
    _, after = primary.claim(1)
    primary.claim(2)
    primary.received()
    fresh = primary.opened()
    try:
        assert fresh.bases() == primary.recovery.bases()
        assert fresh.find(Target(time=after)) == primary.recovery.find(Target(time=after))
    finally:
        fresh.close()


def test_what_is_received_and_what_can_be_recovered_to_is_told(primary: World) -> None:
    _, after = primary.claim(1)
    primary.received()
    view = primary.recovery.wal()
    assert (view.mode, view.streaming, view.slot, view.gaps) == (WalMode.RECEIVE, True, "reserved", ())
    assert view.received is not None
    assert view.behind is not None
    assert view.windows[0].until <= after
    assert after - view.windows[0].until < timedelta(seconds=10)
    assert view.windows[0].bases[0] == "base_one"
    assert view.slot_room is not None


def test_what_was_changed_cut_off_or_added_in_a_base_backup_is_found(primary: World) -> None:
    made = primary.recovery.back_up(f"base_{next(NUMBERS)}", incremental=False)
    assert primary.recovery.verify(made.name) == made
    victim = made.path / "PG_VERSION"
    kept = victim.read_bytes()
    for harmed, said in ((kept[:-1] + b"X", "another checksum"), (kept[:-1], "bytes, and the server sent"), (None, "can't be read")):
        victim.unlink()
        if harmed is not None:
            victim.write_bytes(harmed)
        with pytest.raises(BaseBroken, match=said):
            primary.recovery.verify(made.name)
        victim.write_bytes(kept)
    (made.path / "base" / "stranger").write_text("x")
    with pytest.raises(BaseBroken, match="none of the files"):
        primary.recovery.verify(made.name)
    (made.path / "base" / "stranger").unlink()
    listed = made.path / "backup_manifest"
    document = listed.read_text()
    listed.write_text(document.replace('"Size": 3', '"Size": 4', 1))
    with pytest.raises(BaseBroken, match="changed or cut off"):
        primary.recovery.verify(made.name)
    listed.write_text(document)
    with pytest.raises(NoSuchBase, match="the newest: "):
        primary.recovery.verify("nobody")
    primary.forget(made)


def test_a_broken_base_backup_is_not_recovered_from(primary: World) -> None:
    made = primary.recovery.back_up(f"base_{next(NUMBERS)}", incremental=False)
    primary.claim(1)
    primary.received()
    point = primary.recovery.find(Target(end=True))
    assert point.base == made.name
    victim = made.path / "PG_VERSION"
    victim.write_bytes(b"19\n")
    with pytest.raises(BaseBroken):
        primary.recovery.recover("it", point)
    assert not primary.recovery.running("it")
    assert not (primary.folder / "scratch" / "it").exists()
    primary.forget(made)


def test_a_base_backup_that_fails_in_its_middle_leaves_nothing(primary: World) -> None:
    with pytest.raises(BadInput):
        primary.recovery.back_up("../elsewhere", incremental=False)
    lost = f"base_{next(NUMBERS)}"
    newest = primary.recovery.bases()[0]
    listed = newest.path / "backup_manifest"
    document = listed.read_text()
    listed.write_text("{}")
    try:
        with pytest.raises(BaseFailed, match="pg_basebackup failed"):
            primary.recovery.back_up(lost, incremental=True)
    finally:
        listed.write_text(document)
    assert not [path for path in (primary.folder / "bases").iterdir() if path.name.startswith(lost)]


def test_a_log_that_nobody_receives_is_a_fault_for_as_long_as_that_lasts(primary: World) -> None:
    assert primary.recovery.faults() == ()
    primary.stop_receiving()
    try:
        assert eventually(lambda: [fault.key for fault in primary.recovery.faults()] == ["unreceived"])
        assert primary.recovery.wal().streaming is False
    finally:
        primary.receive()
    assert primary.recovery.faults() == ()


def test_a_hole_in_the_log_is_seen_and_no_window_goes_over_it(primary: World) -> None:
    """The last test of the file: from the first base backup on, nothing leads over the hole any more."""
    first = primary.recovery.back_up(f"base_{next(NUMBERS)}", incremental=False)
    _, before = primary.claim(0)
    primary.claim(1)
    primary.switch()
    _, lost = primary.claim(2)
    primary.switch()
    _, behind = primary.claim(3)
    primary.switch()
    primary.claim(4)
    primary.received()
    assert primary.recovery.wal().gaps == ()
    size = primary.recovery.catalogue.log.size
    with primary.connect() as connection:
        row = connection.execute("SELECT pg_walfile_name(pg_current_wal_lsn())").fetchone()
    assert row is not None
    current = Segment.read(row[0], size=size)
    assert current is not None
    missing = Segment(current.timeline, current.number - 2)
    primary.lose(missing.name(size=size))
    view = primary.recovery.wal()
    assert [(gap.first, gap.count) for gap in view.gaps] == [(missing.name(size=size), 1)]
    assert [(fault.key, fault.stays) for fault in primary.recovery.faults()] == [(f"gap-{current.timeline}-{missing.name(size=size)}", True)]
    assert view.windows[0].until < lost
    assert recovered(primary, Target(time=before)) == [0]
    for moment in (lost, behind):
        with pytest.raises(OutsideWindow, match="what can be recovered to"):
            primary.recovery.find(Target(time=moment))
    again = primary.recovery.back_up(f"base_{next(NUMBERS)}", incremental=False)
    _, after = primary.claim(5)
    primary.claim(6)
    primary.received()
    assert [window.bases[-1] for window in primary.recovery.wal().windows][:2] == [again.name, first.name]
    primary.recovery.discard("it")
    primary.recovery.discard_export("it", into="back")
    assert recovered(primary, Target(time=after)) == [0, 1, 2, 3, 4, 5]
    assert primary.opened().bases()[0].server_version.startswith("18")


def test_without_a_base_backup_nothing_can_be_incremental(primary: World) -> None:
    bases = primary.recovery.catalogue.folder
    aside = bases.with_name("aside")
    bases.rename(aside)
    try:
        with pytest.raises(NoParent):
            primary.recovery.back_up("changes", incremental=True)
        with pytest.raises(OutsideWindow, match="no base backup"):
            primary.recovery.find(Target(end=True))
        assert primary.recovery.wal().windows == ()
    finally:
        shutil.rmtree(bases, ignore_errors=True)
        aside.rename(bases)
