"""What would be lost is said as it is: nobody who is away counts, and nothing unknown is called nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from unioneyes.adapters.postgres.recovery.keepers import Keeper, failover_view
from unioneyes.cli.output import Ink
from unioneyes.cli.recoverytexts import base_text, endangered, failover_text, wal_text
from unioneyes.operations.database.recovery.model import BaseMade
from unioneyes.ports.recovery import BaseBackup, Gap, KeptBy, Pruned, WalMode, WalView

PLAIN = Ink(colour=False)
START = datetime(2026, 2, 9, 2, tzinfo=UTC)
REPLICA = Keeper(keeper="replica", synchronous=False, behind_bytes=0, behind=timedelta(0), received="0/3000000")
ARCHIVE = Keeper(keeper="archive", synchronous=False, behind_bytes=4096, behind=timedelta(seconds=1), received="0/2FFF000")
VIEW = WalView(
    mode=WalMode.RECEIVE,
    streaming=True,
    received="0/3000000",
    behind=0,
    slot="reserved",
    slot_room=1 << 29,
    segments=3,
    bytes=3 << 24,
    gaps=(),
    windows=(),
    wanted=timedelta(days=7),
    bases=(),
)


def said(*found: Keeper, wanted: tuple[str, ...] = ("replica", "archive")) -> str:
    return failover_text(PLAIN, failover_view(found, wanted=wanted, last_base=None, promotion=None))


def test_the_keeper_that_is_nearest_says_what_would_be_lost() -> None:
    assert "nothing at this moment: replica has all of the log; but a commit is answered before it has it" in said(REPLICA, ARCHIVE)
    assert "4.0 KiB of the log, of the last 1.0 s, which archive has not" in said(ARCHIVE)


def test_one_that_is_away_is_said_to_be_and_how_far_it_is_behind_is_unknown() -> None:
    (line,) = [line for line in said(ARCHIVE).splitlines() if line.startswith("replica")]
    assert "away" in line
    assert line.count("unknown") == 2


def test_where_nobody_keeps_it_everything_is_lost() -> None:
    assert "everything since the last base backup" in said()
    assert endangered(failover_view((), wanted=("replica",), last_base=None, promotion=None))
    assert not endangered(failover_view((REPLICA,), wanted=("replica",), last_base=None, promotion=None))


def test_where_commits_wait_nothing_that_was_answered_is_lost() -> None:
    assert "nothing that was answered" in said(replace(ARCHIVE, synchronous=True))


def test_how_long_a_promotion_takes_is_measured_or_said_not_to_be() -> None:
    assert "not drilled" in said(REPLICA)
    drilled = failover_text(PLAIN, failover_view((REPLICA,), wanted=(), last_base=None, promotion=timedelta(milliseconds=340)))
    assert "340 ms in the last drill" in drilled


def test_a_log_that_is_not_received_a_lost_slot_and_a_gap_are_said() -> None:
    assert "✔ up to 0/3000000, 0 B behind" in wal_text(PLAIN, VIEW)
    assert "✘ by nobody at this moment" in wal_text(PLAIN, replace(VIEW, streaming=False, received=None))
    assert "unknown: the server does not answer" in wal_text(PLAIN, replace(VIEW, streaming=None))
    assert "✘ lost" in wal_text(PLAIN, replace(VIEW, slot="lost"))
    gap = Gap(timeline=1, first="000000010000000000000003", count=2)
    assert "2 segments of the log are missing from 000000010000000000000003 on" in wal_text(PLAIN, replace(VIEW, gaps=(gap,)))
    assert "there is no base backup" in wal_text(PLAIN, VIEW)


def test_what_barman_keeps_is_said_to_be_barmans_with_what_it_finds_wrong() -> None:
    by = KeptBy(program="Barman 3.19.1", server="main", retention="REDUNDANCY 2", complaints=("backup maximum age: older than 1 day",))
    text = wal_text(PLAIN, replace(VIEW, kept_by=by))
    assert "Barman 3.19.1, as main: 3 segments, 48.0 MiB" in text
    assert "by Barman 3.19.1, by its own rule: REDUNDANCY 2" in text
    assert "✘ backup maximum age: older than 1 day" in text
    assert "nothing: Barman 3.19.1 has no retention policy" in wal_text(PLAIN, replace(VIEW, kept_by=replace(by, retention=None)))


def test_a_base_backup_that_was_not_compared_is_not_said_to_be() -> None:
    by = KeptBy(program="Barman 3.19.1", server="main", retention="REDUNDANCY 2", complaints=())
    made = BaseBackup(
        name="base_one",
        path=Path("/srv/barman/main/base/20260209T020000/data"),
        parent=None,
        started_at=START,
        ended_at=START,
        took=timedelta(seconds=1),
        bytes=1 << 20,
        files=None,
        timeline=1,
        start_lsn="0/3000028",
        end_lsn="0/4000000",
        server_version="18.4",
        checksum=None,
    )
    text = base_text(PLAIN, BaseMade(base=made, pruned=Pruned(bases=(), segments=0, bytes=0, kept_by=by)))
    assert "not compared with what the server sent" in text
    assert "by Barman 3.19.1, by its own rule: REDUNDANCY 2" in text
    compared = base_text(PLAIN, BaseMade(base=replace(made, files=967), pruned=Pruned(bases=(), segments=0, bytes=0)))
    assert "967 files, 1.0 MiB, each as the server sent it" in compared
    assert "nothing: the window needs all of it" in compared


def test_a_log_that_is_handed_over_loses_what_stands_in_its_last_segment() -> None:
    handed = replace(VIEW, mode=WalMode.ARCHIVED, received="000000010000000000000003", behind=None, slot=None, slot_room=None)
    assert "what stands in the last one is lost with it" in wal_text(PLAIN, handed)
    assert "✔ up to 000000010000000000000003" in wal_text(PLAIN, handed)
    assert "✘ the last segment was refused" in wal_text(PLAIN, replace(handed, streaming=False))
