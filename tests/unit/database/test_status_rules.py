"""What is wrong with the database, by its readings: at the document's limits, and not below; what is unknown is never well."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.database.test_sessions import AT, session, view
from unioneyes.operations.database.status import Recoverable, database_status
from unioneyes.operations.database.status_rules import of_activity, of_backups, of_lag, of_log, of_pools, of_signs
from unioneyes.ports.activity import ActivityView, Limits, Session
from unioneyes.ports.database import Backup, BackupState
from unioneyes.ports.recovery import LogFault, Window
from unioneyes.ports.replicas import PoolUse
from unioneyes.ports.vitals import Copy, Disk, Follower, Heartbeat, Lag, Slot, TableVitals, Unknown, VitalSigns, Wraparound

SIGNS = VitalSigns(
    at=AT,
    database="unioneyes",
    version="18.4",
    started=AT - timedelta(days=1),
    replica=False,
    bytes=10**9,
    others={},
    cache_hit=0.99,
    deadlocks=0,
    commits=10,
    rollbacks=1,
    counted_since=AT - timedelta(days=30),
    wraparound=Wraparound(database="unioneyes", age=2**30, freeze_at=200_000_000, share=0.5),
    tables=(TableVitals(name="public.claims", bytes=10**6, rows=1000, dead=500, dead_allowed=250, vacuumed_at=None),),
    disk=Disk(total=100, free=20),
    unknown=(),
)
COPY = Copy(receiver="streaming", behind=0, unreplayed=0, paused=False, shows=AT)
SLOT = Slot(name="replica", active=True, wal_status="reserved", kept=0, safe=None)
FOLLOWER = Follower(name="replica", client="10.0.0.8", state="streaming", synchronous="async", sent_behind=0, behind=0, heard=AT)
LAG = Lag(
    at=AT,
    position="0/3000148",
    followers=(FOLLOWER,),
    slots=(SLOT,),
    waits_for="",
    copy=COPY,
    heartbeat=Heartbeat(arrived=True, took=timedelta(seconds=5)),
    unknown=(),
)
BACKUP = Backup(
    name="unioneyes_20260209",
    place="/nowhere",
    taken_at=AT - timedelta(hours=26),
    took=timedelta(seconds=6),
    bytes=1,
    sha256="",
    tables=1,
    rows=1,
    schema=None,
    state=BackupState.VERIFIED,
)


POOL = PoolUse(replica="blue-1", used=8, idle=2, most=10, waiting=0)


def test_at_the_limits_all_is_well() -> None:
    full = view(*(session(pid, state="idle") for pid in range(1, 80)))
    shown = database_status(
        environment="local",
        signs=SIGNS,
        view=replace(full, limits=Limits(connections=103, reserved=3)),
        pools=(POOL,),
        lag=LAG,
        recoverable=Recoverable(backups=(BACKUP,)),
    )
    assert shown.troubles == ()
    assert (shown.used, shown.proven) == (80, BACKUP)


@pytest.mark.parametrize(
    ("signs", "where"),
    [
        (replace(SIGNS, replica=True), "role"),
        (replace(SIGNS, deadlocks=1), "deadlocks"),
        (replace(SIGNS, disk=Disk(total=1000, free=199)), "disk"),
        (replace(SIGNS, tables=(replace(SIGNS.tables[0], dead=501),)), "vacuum"),
        (replace(SIGNS, wraparound=replace(SIGNS.wraparound, share=0.51)), "transaction ids"),
    ],
)
def test_above_them_one_thing_is_wrong(signs: VitalSigns, where: str) -> None:
    assert [each.where for each in of_signs(signs)] == [where]


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (ActivityView(at=AT, limits=Limits(connections=13, reserved=3), sessions=view(*map(session, range(1, 9))).sessions), "9 of 10 connections are in use"),
        (view(session(1, state="active"), session(2, state="active", blocked_by=(1,), idle_for=None)), "1 session waits for 1"),
        (view(session(7, state="idle in transaction", idle_for=timedelta(minutes=5, seconds=1))), "7 has been in a transaction for 5 min 1 s"),
    ],
)
def test_sessions_that_are_too_many_wait_or_stay_too_long_are_wrong(seen: ActivityView, said: str) -> None:
    assert said in " / ".join(each.what for each in of_activity(seen))


@pytest.mark.parametrize(
    ("holder", "remedy"),
    [
        (session(1, state="active"), "ue db locks; ue db kill 1"),
        (session(1, state="active", superuser=True), "ue db locks"),
        (session(1, state="active", application="ue-migrate"), "ue db locks"),
    ],
)
def test_whoever_holds_others_up_is_ended_only_where_that_is_possible(holder: Session, remedy: str) -> None:
    troubles = of_activity(view(holder, session(2, state="active", blocked_by=(1,), idle_for=None)))
    assert [each.remedy for each in troubles if each.where == "locks"] == [remedy]


def test_a_backup_may_take_its_time() -> None:
    assert list(of_activity(view(session(7, user="ue_backup", state="active", application="pg_dump")))) == []


@pytest.mark.parametrize(
    ("lag", "said"),
    [
        (replace(LAG, heartbeat=Heartbeat(arrived=True, took=timedelta(seconds=5.1))), "a commit takes 5.1 s to get there"),
        (replace(LAG, heartbeat=Heartbeat(arrived=False, took=timedelta(seconds=1))), "a commit takes more than 1.0 s to get there"),
        (replace(LAG, copy=replace(COPY, receiver="", shows=None), heartbeat=None), "nothing reaches it, 0 B behind"),
        (replace(LAG, copy=replace(COPY, paused=True)), "somebody paused its replay"),
        (replace(LAG, slots=(replace(SLOT, wal_status="lost", kept=None),)), "the log for replica is thrown away"),
        (replace(LAG, slots=(replace(SLOT, active=False, kept=2048),)), "2.0 KiB of log are kept for replica, and nobody takes it"),
        (replace(LAG, copy=None, heartbeat=None, followers=(), slots=(), unknown=(Unknown(what="replica", why="away"),)), "nobody takes the log: away"),
    ],
)
def test_a_copy_that_is_late_cut_off_or_away_is_wrong(lag: Lag, said: str) -> None:
    assert said in [each.what for each in of_lag(lag)]


def test_a_pool_that_is_full_or_waited_for_is_wrong_and_no_pool_at_all_is_unknown() -> None:
    assert list(of_pools((POOL,))) == []
    wrong = (replace(POOL, used=9, idle=1), replace(POOL, waiting=2))
    assert [(each.what, each.urgent) for each in of_pools(wrong)] == [
        ("blue-1 uses 9 of its 10 connections", False),
        ("blue-1 uses 8 of its 10 connections, and 2 requests wait for one", True),
    ]
    shown = database_status(environment="local", signs=SIGNS, view=view(), pools=(), lag=LAG, recoverable=Recoverable(backups=(BACKUP,)))
    assert [each.what for each in shown.unknown] == ["pools"]


@given(
    st.builds(
        replace,
        st.just(COPY),
        receiver=st.sampled_from(["", "stopping", "waiting", "catchup"]),
        behind=st.one_of(st.none(), st.integers(0, 10**12)),
        shows=st.sampled_from([None, AT]),
    ),
    st.booleans(),
)
def test_what_does_not_stream_is_never_well_whatever_else_it_says(copy: Copy, follows: bool) -> None:  # noqa: FBT001 - Hypothesis gives it
    lag = replace(LAG, copy=copy, heartbeat=None, followers=(FOLLOWER,) if follows else ())
    assert any(each.where == "replica" and each.urgent for each in of_lag(lag))


def test_a_backup_counts_that_was_restored_and_compared_and_is_not_old() -> None:
    taken = replace(BACKUP, taken_at=AT, state=BackupState.TAKEN)
    failed = replace(BACKUP, taken_at=AT, state=BackupState.FAILED)
    assert [each.what for each in of_backups((taken, failed), AT)] == ["no backup was ever restored and compared"]
    assert list(of_backups((taken, BACKUP), AT)) == []
    assert [each.where for each in of_backups((BACKUP,), AT + timedelta(minutes=1))] == ["backup"]


def test_what_can_be_recovered_to_is_shown_and_what_keeps_the_log_from_leading_on_is_urgent() -> None:
    window = Window(since=AT - timedelta(days=7), until=AT, until_lsn="0/3000000", bases=("base_20260209_020000",))
    hole = LogFault(key="gap", what="2 segments are missing", remedy="ue backup base", stays=True)
    kept = Recoverable(backups=(BACKUP,), window=window, faults=(hole,), unknown=())
    shown = database_status(environment="local", signs=SIGNS, view=view(), pools=(POOL,), lag=LAG, recoverable=kept)
    assert shown.recoverable == window
    assert shown.troubles == tuple(of_log((hole,)))
    assert [(each.where, each.urgent, each.remedy) for each in shown.troubles] == [("log", True, "ue backup base")]
