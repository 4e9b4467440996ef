"""The environment's file says how the log is kept; `ue env up` makes it so, also on a stack that was started otherwise."""

from __future__ import annotations

import psycopg
import pytest

from tests.stack import DRILL_SETTINGS, RunningStack, empty_stack
from unioneyes.adapters.postgres.server import SUPERUSER
from unioneyes.environments.local.stack import open_stack

pytestmark = pytest.mark.stack


def say(stack: RunningStack, mode: str) -> None:
    (stack.home / "environment.toml").write_text(f'name = "local"\n{DRILL_SETTINGS}\n[backup]\nwal = "{mode}"\n')


def up(stack: RunningStack) -> set[str]:
    """The stack is up; return the names of its processes."""
    said = stack.start()
    assert said.code == 0, said.err
    return {process.name for process in stack.status().processes}


def asked(stack: RunningStack, query: str) -> object:
    opened = open_stack(stack.home)
    address = opened.primary.url(role=SUPERUSER, password=opened.secrets.superuser, database="postgres").get_secret_value()
    with psycopg.connect(address, autocommit=True) as connection:
        row = connection.execute(query.encode()).fetchone()
        assert row is not None
        value: object = row[0]
        return value


def test_commits_wait_for_the_archive_while_it_says_so_and_no_longer() -> None:
    with empty_stack() as stack:
        say(stack, "synchronous")
        assert "archive" in up(stack)
        assert asked(stack, "SELECT sync_state FROM pg_stat_replication WHERE application_name = 'archive'") == "sync"
        said = stack.ue("db", "failover-check")
        assert "nothing that was answered" in said.out
        assert stack.ue("env", "down").code == 0
        assert "archive" in up(stack), "nobody who starts it waits for an archive that is started after them"
        asked(stack, "SELECT pg_current_xact_id()::text")
        say(stack, "none")
        assert "archive" not in up(stack)
        assert asked(stack, "SELECT current_setting('synchronous_standby_names')") == "", "the primary that ran on reads it anew"
        assert asked(stack, "SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'archive'") == 0, "else its log would fill the disk"
        assert "not kept" in stack.ue("backup", "wal").out
