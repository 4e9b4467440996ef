"""What `ue db` shows: what the issue names stands on the screen, narrow enough for a terminal, and what is wrong never scrolls away."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.database.test_sessions import AT, session, view
from tests.unit.database.test_status_rules import BACKUP, LAG, POOL, SIGNS
from unioneyes.cli.dbstatus import database_text
from unioneyes.cli.dbtexts import locks_text, queries_table
from unioneyes.cli.output import Ink
from unioneyes.cli.watching import fitting
from unioneyes.operations.database.connections import locks
from unioneyes.operations.database.status import Recoverable, database_status
from unioneyes.ports.activity import ActivityView
from unioneyes.ports.vitals import VitalSigns, untested

PLAIN = Ink(colour=False)
WIDE = 100


def screen(signs: VitalSigns = SIGNS, seen: ActivityView | None = None) -> str:
    seen = view(session(1, application="report", state="active"), session(2), session(3)) if seen is None else seen
    shown = database_status(environment="local", signs=signs, view=seen, pools=(POOL,), lag=LAG, recoverable=Recoverable(backups=(BACKUP,)))
    return database_text(PLAIN, shown)


def lines(text: str) -> dict[str, str]:
    """What stands behind each name."""
    named = (line.split("  ", 1) for line in text.split("\n") if "  " in line)
    return {name: said.strip() for name, said in named if name}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("database", "unioneyes of local: PostgreSQL 18.4, primary, up for 1 d"),
        ("size", "953.7 MiB"),
        ("disk", "80.0 % in use, 20 B free"),
        ("counted", "10 commits, 1 rollbacks, 0 deadlocks since 2026-01-10T03:00:00.000Z"),
        ("cache", "99.0 % of blocks were in memory"),
        ("oldest row", "1,073,741,824 transactions (unioneyes), 50.0 % of the limit; frozen from 200,000,000 on"),
        ("autovacuum", "1 tables wait for it, with 500 dead rows"),
        ("backup", "unioneyes_20260209, proven, 1 d 2 h old"),
        ("recoverable", "to the moments of backups alone"),
        ("connections", "4 of 97 (4.1 %; 3 more are reserved)"),
        ("by state", "2 idle, 1 active, 1 of ue itself"),
        ("most", "2 of claims blue-1 as claims_app in unioneyes, idle for up to 11 min"),
        ("pools", "8 of 10 in 1 replicas; fullest: blue-1, 8 of 10"),
        ("longest transaction", "11 min: 1, report, claims_app in unioneyes, active for 11 min"),
        ("blocked", "nobody"),
        ("replica", "streaming, 0 B behind; its newest commit is of 2026-02-09T03:00:00.000Z (0 ms ago)"),
        ("heartbeat", "a commit was there after 5.0 s"),
        ("followers", "replica from 10.0.0.8: streaming, async, 0 B not sent, 0 B not replayed"),
        ("slots", "replica: taken, reserved, keeps 0 B"),
    ],
)
def test_the_screen_has_what_was_asked_for(name: str, said: str) -> None:
    shown = lines(screen())
    assert shown[name] == said


def test_the_screen_is_narrow_enough() -> None:
    assert [line for line in screen(seen=view(session(2), session(3))).split("\n") if len(line) > WIDE] == []


def test_a_version_that_no_test_runs_on_is_named_untested() -> None:
    assert "PostgreSQL 16.9 (untested: tests run on 15 and 18), primary" in screen(replace(SIGNS, version="16.9"))
    assert "PostgreSQL 19beta1 (untested" in screen(replace(SIGNS, version="19beta1"))
    assert [untested(version) for version in ("15.14", "18.4")] == ["", ""]


def test_counters_that_were_never_set_back_say_so() -> None:
    assert "0 deadlocks since it was made, or crashed" in screen(replace(SIGNS, counted_since=None))


def test_our_own_sessions_come_and_go_and_are_told_apart() -> None:
    shown = lines(screen(seen=view(session(1), session(2, application="ue-vitals", user="ue_operator", state="active"))))
    assert shown["by state"] == "1 idle, 2 of ue itself"
    assert "ue-vitals" not in screen(seen=view(session(1), session(2, application="ue-vitals", user="ue_operator", state="active")))


def test_a_table_that_waits_for_autovacuum_is_shown_however_small() -> None:
    large = tuple(replace(SIGNS.tables[0], name=f"public.large_{number}", bytes=10**9, dead=0) for number in range(9))
    assert "public.claims " in screen(replace(SIGNS, tables=(*large, *SIGNS.tables)))


def test_what_runs_is_told_in_a_narrow_table() -> None:
    sessions = (
        replace(session(7, state="idle in transaction", application="a very long name of an application that nobody needs"), query="UPDATE claims SET " * 9),
        replace(session(4_194_304, state="active", blocked_by=(7, 8)), query="SELECT " * 40),
        replace(session(9, state="active"), waits_for="IO: DataFileRead"),
    )
    text = queries_table(PLAIN, sessions, AT)
    first, second, third = text.split("\n")[1:]
    assert "  idle in transaction     UPDATE" in first
    assert "  waits for 7 and 1 more  " in second
    assert "  IO: DataFileRead  " in third
    assert max(map(len, text.split("\n"))) == WIDE


def test_a_tree_of_waiting_sessions_is_read_from_its_top_on() -> None:
    waits = replace(session(2, state="active", blocked_by=(1,)), lock="ShareLock on a transaction (a row that it wrote)", query="SELECT " * 40)
    text = locks_text(PLAIN, locks(view(session(1, state="idle in transaction"), waits, session(3, state="active", blocked_by=(2,)))))
    assert text.split("\n")[0] == "! 2 sessions wait for another"
    assert "ends by: ue db kill 1" in text
    assert "waits for ShareLock on a transaction (a row that it wrote)" in text
    assert max(map(len, text.split("\n"))) <= WIDE


def test_a_screen_that_is_too_long_for_the_terminal_keeps_its_first_lines() -> None:
    shown = fitting("wrong\n" + "x" * 25 + "\nthird\nfourth", columns=10, lines=5)
    assert shown == "wrong\n" + "x" * 25 + "\n… 2 more lines: make the terminal taller, or leave --watch out"
    assert fitting("\033[31mten red ones\033[0m", columns=12, lines=1) == "\033[31mten red ones\033[0m"


@given(st.lists(st.text("ab", max_size=30), min_size=1, max_size=30), st.integers(70, 120), st.integers(1, 20))
def test_what_is_drawn_never_scrolls(said: list[str], columns: int, high: int) -> None:
    shown = fitting("\n".join(said), columns=columns, lines=high)
    assert len(shown.split("\n")) <= high
