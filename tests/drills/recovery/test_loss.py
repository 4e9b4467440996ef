"""The primary is killed and its disk is gone: what was answered to members and is lost is no more than the way of keeping the log promises."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from tests.contract.recovery.world import World, world
from unioneyes.adapters.postgres.postmaster import Postmaster
from unioneyes.ports.recovery import Target, WalMode

pytestmark = pytest.mark.stack

WRITES_FOR = 2.0
LOSES_AT_MOST = timedelta(seconds=2)
"""What `receive` may lose: what is on its way. A busy machine has more of that than the milliseconds that were measured on a quiet one."""


class Member:
    """Writes one row after the other, and remembers which were answered, and when."""

    def __init__(self, primary: World) -> None:
        self.primary = primary
        self.answered: dict[int, datetime] = {}

    @contextmanager
    def writing(self) -> Iterator[None]:
        thread = threading.Thread(target=self._write)
        thread.start()
        yield
        thread.join(timeout=30)
        assert not thread.is_alive()

    def _write(self) -> None:
        number = 0
        try:
            with self.primary.connect() as connection:
                while True:
                    number += 1
                    connection.execute("INSERT INTO claims (id, organization_id) VALUES (%s, 1)", (number,))
                    self.answered[number] = datetime.now(UTC)
        except psycopg.Error:
            return  # the primary is gone: this row was not answered


def lost(mode: WalMode) -> tuple[Member, set[int]]:
    """Return who wrote, and the rows that they were answered and that are not in what was recovered."""
    with world(mode) as primary:
        primary.recovery.back_up("base_one", incremental=False)
        member = Member(primary)
        with member.writing():
            time.sleep(WRITES_FOR)
            postmaster = Postmaster.of(primary.server.data)
            assert postmaster is not None
            os.kill(postmaster.pid, signal.SIGKILL)
            shutil.rmtree(primary.server.folder)
        primary.stop_receiving()
        there = recovered(primary)
    assert len(member.answered) > 10, "nobody wrote"
    return member, set(member.answered) - there


def recovered(primary: World) -> set[int]:
    """Return the rows of what the folders alone bring back: the primary, and whatever knew of it, are gone."""
    fresh = primary.opened()
    try:
        fresh.recover("it", fresh.find(Target(end=True)))
        with psycopg.connect(fresh.servers.url("it").get_secret_value()) as connection:
            return {int(row[0]) for row in connection.execute("SELECT id FROM claims")}
    finally:
        fresh.close()


def test_where_commits_wait_for_the_archive_nothing_that_was_answered_is_lost() -> None:
    _, gone = lost(WalMode.SYNCHRONOUS)
    assert gone == set()


def test_where_the_log_is_received_no_more_is_lost_than_what_was_on_its_way() -> None:
    member, gone = lost(WalMode.RECEIVE)
    if gone:
        assert gone == set(range(min(gone), max(gone) + 1)), "only the last ones are lost"
        assert max(member.answered) == max(gone)
        assert member.answered[max(gone)] - member.answered[min(gone)] < LOSES_AT_MOST


def test_where_the_log_is_not_kept_all_since_the_base_backup_is_lost() -> None:
    member, gone = lost(WalMode.NONE)
    assert gone == set(member.answered)
