"""What is no fault of the release: a dependency that is slow for both colours, a flood of log lines, two who order the same rollback."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from tests.drills.main_job.main_job import MainJob
from tests.stack import eventually
from unioneyes.environments.local.members import run_members
from unioneyes.kernel.clock import now, rfc3339

pytestmark = pytest.mark.campaign

RATE = 30.0
FLOOD = 50_000
"""Lines that the new version logs at once."""
PACE = timedelta(seconds=10)
"""The longest that a watch may be silent, on a busy machine; it looks twice a second."""


def test_a_database_that_is_slow_for_both_versions_rolls_nothing_back(serving: MainJob) -> None:
    with run_members(serving.stack.home, rate=RATE) as members:
        run = serving.started("1.0.0", "--bake", "25s")
        serving.wait_for_step(run, "watch_release")
        with contention(serving):
            assert eventually(lambda: members.seen().slowest > timedelta(seconds=2), within=20)
            time.sleep(5)  # long enough for several slow answers of each version
        ended = serving.ended(run)
    assert ended.code == 0, ended.out
    assert serving.serving().version == "1.0.0"
    assert "outside" in str(serving.result(ended)["watched"])


def test_a_flood_of_log_lines_does_not_slow_the_watch_down(serving: MainJob) -> None:
    with run_members(serving.stack.home, rate=RATE) as members:
        run = serving.started("1.0.0", "--bake", "15s")
        serving.wait_for_step(run, "watch_release")
        flood(serving, f"{serving.serving().colour}-1")
        ended = serving.ended(run)
        seen = members.finish()
    assert ended.code == 0, ended.err
    assert seen.lost == 0
    looks = [
        datetime.fromisoformat(str(entry["at"])) for entry in serving.journal(run) if entry["kind"] == "step-progress" and entry["step"] == "watch_release"
    ]
    silent = max(later - earlier for earlier, later in pairwise(looks))
    assert silent < PACE


def test_whoever_orders_a_rollback_during_a_rollback_is_told_who_holds_the_service_and_the_first_one_ends(serving: MainJob) -> None:
    with run_members(serving.stack.home, rate=RATE) as members:
        run = serving.started("1.0.0", "--bake", "60s")
        serving.wait_for_step(run, "watch_release")
        with serving.routes_held():
            first = serving.stack.ue("rollback", "traffic", "--reason", "members complain", "--yes", "--detach", "-o", "json")
            rollback = str(serving.run(first)["id"])
            second = serving.stack.ue("rollback", "traffic", "--reason", "me too", "--yes")
        ended = serving.ended(rollback)
        seen = members.finish()
    assert second.code == 3, second.err
    assert rollback in second.err
    assert ended.code == 0, ended.err
    assert serving.serving().version == "1.1.0"
    assert seen.lost == 0


@contextmanager
def contention(job: MainJob) -> Iterator[None]:
    """Somebody locks the claims away for three seconds, again and again."""
    over = threading.Event()

    def lock() -> None:
        with job.database() as connection:
            while not over.is_set():
                connection.execute("lock table claims in access exclusive mode")
                over.wait(3)
                connection.commit()
                time.sleep(0.2)

    locking = threading.Thread(target=lock)
    locking.start()
    try:
        yield
    finally:
        over.set()
        locking.join(timeout=20)


def flood(job: MainJob, replica: str) -> None:
    """The replica's log has `FLOOD` lines more."""
    line = json.dumps({"timestamp": rfc3339(now()), "level": "INFO", "message": "GET /api/claims 200", "replica": replica}) + "\n"
    with (job.stack.layout.logs / f"{replica}.log").open("a") as log:
        log.write(line * FLOOD)
