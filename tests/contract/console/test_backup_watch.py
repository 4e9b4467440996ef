"""A log that should be kept for a recovery, and is not, is told in the incidents channel: once a day, however many servers see it."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, time, timedelta

import httpx
import pytest

from tests.stack import RunningStack, eventually, running_stack
from unioneyes.console.backup_watch import LASTS, BackupWatch
from unioneyes.environments import open_environment
from unioneyes.environments.local.parts import build_supervisor
from unioneyes.environments.local.stack import ARCHIVE, open_stack
from unioneyes.kernel.clock import now
from unioneyes.runbook.engine import Engine

pytestmark = pytest.mark.stack

SETTINGS = '[backup]\ndaily = "never"\nwal = "receive"\n'
SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)


def told(stack: RunningStack) -> list[str]:
    port = open_stack(stack.home).ports.vendors
    return [each["text"].split("\n")[0] for each in httpx.get(f"http://127.0.0.1:{port}/slack/_received", trust_env=False).json()]


def test_a_log_that_nobody_receives_is_told_once_a_day_and_not_what_is_over_within_a_minute() -> None:
    with running_stack(settings=SETTINGS) as stack:
        opened = open_environment("local", stack.home)
        with closing(Engine(database_url=opened.control_database_url, environment=opened.environment, redactor=opened.redactor, worker=False)) as engine:
            engine.launch()
            watches = [BackupWatch(engine, opened.environment, tell_again=timedelta(0)) for _ in range(2)]

            def look(at: datetime) -> list[str]:
                for watch in watches:
                    watch.look(at)
                    watch.look_at_log(at)
                return told(stack)

            noon = datetime.combine(now().date(), time(12), UTC) + DAY  # the stack's own server speaks of today
            assert eventually(lambda: opened.environment.recovery.faults() == ())
            assert look(noon) == []
            build_supervisor(stack.layout).stop(ARCHIVE)
            assert eventually(lambda: [fault.key for fault in opened.environment.recovery.faults()] == ["unreceived"])
            assert look(noon + SECOND) == []
            assert stack.start().code == 0
            assert eventually(lambda: opened.environment.recovery.faults() == ())
            assert look(noon + LASTS) == []
            build_supervisor(stack.layout).stop(ARCHIVE)
            assert eventually(lambda: [fault.key for fault in opened.environment.recovery.faults()] == ["unreceived"])
            assert look(noon + LASTS + SECOND) == [], "it came back in between"
            assert look(noon + LASTS + LASTS + SECOND) == ["RECOVERY AT RISK: local"]
            assert look(noon + DAY - SECOND) == ["RECOVERY AT RISK: local"] * 2
