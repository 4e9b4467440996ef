"""What would be lost is said as it is: nobody who is away counts, and nothing unknown is called nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from unioneyes.adapters.postgres.recovery.keepers import Keeper, failover_view
from unioneyes.cli.output import Ink
from unioneyes.cli.recoverytexts import endangered, failover_text, wal_text
from unioneyes.ports.recovery import Gap, WalMode, WalView

PLAIN = Ink(colour=False)
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
