"""What the vitals' port promises: on PostgreSQL 18 and on 15 by TLS; and of a real replica that streams, is cut off, is paused, and is away."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from tests.contract.postgres.conftest import PASSWORD, PASSWORDS, free_port, short_folder
from tests.contract.postgres.operated import Operated
from unioneyes.adapters.postgres.bootstrap import DATABASE, OPERATOR, OWNER, REPLICATION, bootstrap_operated
from unioneyes.adapters.postgres.server import SUPERUSER, PostgresServer
from unioneyes.adapters.postgres.vitals import ServerVitals
from unioneyes.operations.database.status_rules import of_lag
from unioneyes.ports.vitals import Lag, ReplicaNamed

pytestmark = pytest.mark.stack

WITHIN = timedelta(seconds=10)
SHORT = timedelta(milliseconds=300)


def test_the_signs_of_a_server_that_runs_elsewhere(operated: Operated, table: str) -> None:
    vitals = ServerVitals(database_url=lambda: operated.url(OPERATOR), replica_url=None, data_folder=None)
    with operated.connect() as admin:
        admin.execute("ALTER TABLE members SET (autovacuum_vacuum_threshold = 7, autovacuum_vacuum_scale_factor = 0)")
        admin.execute("INSERT INTO members SELECT g, 'x' FROM generate_series(2, 100) AS g")
        admin.execute("DELETE FROM members WHERE id > 10")
        admin.execute("SELECT pg_stat_force_next_flush()")
    signs = vitals.signs()

    assert (signs.database, signs.replica) == (DATABASE, False)
    assert signs.version.startswith(("18.", "15."))
    assert signs.bytes > 1_000_000
    assert "postgres" in signs.others
    assert signs.cache_hit is not None
    assert 0 < signs.cache_hit <= 1
    assert signs.deadlocks == 0
    assert 0 < signs.wraparound.age < signs.wraparound.freeze_at == 200_000_000
    found = next(each for each in signs.tables if each.name == table)
    assert (found.dead_allowed, found.overdue, found.vacuumed_at) == (7, True, None)
    assert found.dead == 90
    assert found.bytes > 8192
    assert signs.disk is None
    assert [each.what for each in signs.unknown] == ["disk"]


def test_a_table_that_somebody_holds_alone_holds_nobody_up_who_looks(operated: Operated, table: str) -> None:
    vitals = ServerVitals(database_url=lambda: operated.url(OPERATOR), replica_url=None, data_folder=None)
    with operated.connect(OWNER) as owner, owner.transaction():
        owner.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE".encode())
        signs = vitals.signs()
    assert signs.tables == ()
    assert {each.what for each in signs.unknown} == {"tables", "disk"}
    assert table in {each.name for each in vitals.signs().tables}


def test_the_disk_is_that_of_the_data_folder(operated: Operated, tmp_path: Path) -> None:
    signs = ServerVitals(database_url=lambda: operated.url(OPERATOR), replica_url=None, data_folder=tmp_path).signs()
    assert signs.disk is not None
    assert 0 < signs.disk.share < 1


def test_without_a_replica_s_address_seconds_are_unknown_and_never_0(operated: Operated) -> None:
    lag = ServerVitals(database_url=lambda: operated.url(OPERATOR), replica_url=None, data_folder=None).lag(within=SHORT)
    assert (lag.followers, lag.copy, lag.heartbeat) == ((), None, None)
    assert {each.what for each in lag.unknown} == {"replica", "seconds"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    primary: Operated
    replica: Operated

    def vitals(self) -> ServerVitals:
        return ServerVitals(database_url=lambda: self.primary.url(OPERATOR), replica_url=lambda: self.replica.url(OPERATOR), data_folder=None)

    def lag(self, within: timedelta = WITHIN) -> Lag:
        return self.vitals().lag(within=within)


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with short_folder() as folder:
        fast = {"fsync": "off", "wal_receiver_status_interval": "1s", "wal_retrieve_retry_interval": "200ms"}
        primary = PostgresServer(name="primary", folder=folder / "primary", port=free_port(), sockets=folder, settings=fast)
        primary.initialise(PASSWORD)
        with primary.running_meanwhile():
            bootstrap_operated(primary, superuser=PASSWORD, passwords=PASSWORDS)
            copy = replace(primary, name="replica", folder=folder / "replica", port=free_port())
            copy.clone_from(primary, role=REPLICATION, password=PASSWORD, slot="replica")
            with copy.running_meanwhile():
                yield Pair(primary=Operated(server=primary, authority=None), replica=Operated(server=copy, authority=None))


def as_superuser(operated: Operated, statement: str) -> None:
    with psycopg.connect(operated.url(SUPERUSER, "postgres").get_secret_value(), autocommit=True) as admin:
        admin.execute(statement.encode())


def troubles(lag: Lag) -> list[str]:
    return [f"{each.where}: {each.what}" for each in of_lag(lag)]


def test_a_heartbeat_arrives_at_a_replica_that_streams_and_no_table_was_written(pair: Pair) -> None:
    lag = pair.lag()
    assert lag.copy is not None
    assert (lag.copy.receiver, lag.copy.paused) == ("streaming", False)
    assert lag.heartbeat is not None
    assert lag.heartbeat.arrived
    assert lag.heartbeat.took < WITHIN
    assert [(each.name, each.state, each.synchronous) for each in lag.followers] == [("replica", "streaming", "async")]
    assert [(each.name, each.active, each.wal_status) for each in lag.slots] == [("replica", True, "reserved")]
    assert lag.unknown == ()
    assert troubles(lag) == []
    with pair.primary.connect(OPERATOR) as operator:
        assert operator.execute("SELECT count(*) FROM pg_stat_user_tables").fetchone() == (0,)


def test_a_replica_whose_replay_stands_still_is_late_by_the_heartbeat_though_it_has_everything(pair: Pair) -> None:
    as_superuser(pair.replica, "SELECT pg_wal_replay_pause()")
    try:
        as_superuser(pair.primary, "CREATE TABLE IF NOT EXISTS moved (id int)")
        lag = pair.lag(SHORT)
    finally:
        as_superuser(pair.replica, "SELECT pg_wal_replay_resume()")
    assert lag.copy is not None
    assert lag.copy.paused
    assert lag.heartbeat is not None
    assert not lag.heartbeat.arrived
    assert lag.heartbeat.took >= SHORT
    said = troubles(lag)
    assert said[0] == "replica: somebody paused its replay"
    assert said[1].startswith("replica: a commit takes more than 3")
    assert pair.lag().heartbeat is not None


def test_a_synchronous_replica_that_stands_still_holds_no_heartbeat_up(pair: Pair) -> None:
    as_superuser(pair.primary, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    as_superuser(pair.primary, "SELECT pg_reload_conf()")
    try:
        lag = pair.lag()
    finally:
        as_superuser(pair.primary, "ALTER SYSTEM RESET synchronous_standby_names")
        as_superuser(pair.primary, "SELECT pg_reload_conf()")
    assert lag.heartbeat is not None
    assert lag.heartbeat.arrived


def test_a_replica_that_is_cut_off_is_behind_in_bytes_and_never_0_seconds(pair: Pair) -> None:
    with pair.replica.connect() as replica:
        (connected,) = replica.execute("SHOW primary_conninfo").fetchone() or ("",)
        replica.execute("ALTER SYSTEM SET primary_conninfo = 'host=127.0.0.1 port=1'")
        replica.execute("SELECT pg_reload_conf()")
        try:
            _eventually_cut_off(replica)
            with pair.primary.connect(OWNER) as owner:
                owner.execute("CREATE TABLE written AS SELECT g, repeat('x', 500) FROM generate_series(1, 4000) AS g")
            lag = pair.lag()
        finally:
            replica.execute(f"ALTER SYSTEM SET primary_conninfo = '{connected.replace(chr(39), chr(39) * 2)}'".encode())
            replica.execute("SELECT pg_reload_conf()")
    assert lag.copy is not None
    assert lag.copy.receiver == ""
    assert lag.copy.behind is not None
    assert lag.copy.behind > 1_000_000
    assert lag.heartbeat is None
    assert [each.what for each in lag.unknown] == ["seconds"]
    assert not lag.slots[0].active
    said = troubles(lag)
    assert said[0].startswith("replica: nothing reaches it, ")
    assert said[1].startswith("slots: ")
    assert _eventually_streaming(pair).heartbeat is not None


def test_a_replica_that_is_away_is_unknown_and_says_why(pair: Pair) -> None:
    away = replace(pair.replica, server=replace(pair.replica.server, port=1))
    lag = Pair(primary=pair.primary, replica=away).lag(SHORT)
    assert (lag.copy, lag.heartbeat) == (None, None)
    assert {each.what for each in lag.unknown} == {"replica", "seconds"}
    assert "does not answer" in next(each.why for each in lag.unknown if each.what == "replica")
    assert PASSWORD.get_secret_value() not in str(lag)


def test_a_replica_in_the_primary_s_place_says_so(pair: Pair) -> None:
    swapped = Pair(primary=pair.replica, replica=pair.primary)
    with pytest.raises(ReplicaNamed):
        swapped.lag(SHORT)
    assert swapped.vitals().signs().replica


def _eventually_cut_off(replica: psycopg.Connection) -> None:
    for _ in range(200):
        if replica.execute("SELECT count(*), pg_sleep(0.05) FROM pg_stat_wal_receiver WHERE status = 'streaming'").fetchone() == (0, ""):
            return
    pytest.fail("it streams on")


def _eventually_streaming(pair: Pair) -> Lag:
    for _ in range(200):
        with pair.replica.connect() as replica:
            replica.execute("SELECT pg_sleep(0.1)")
        lag = pair.lag()
        if lag.copy is not None and lag.copy.receiver == "streaming":
            return lag
    pytest.fail("it does not stream again")
