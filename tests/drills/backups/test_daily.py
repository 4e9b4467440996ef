"""A backup is made once a day, however many servers think of it; one that was missed or failed is told, and afterwards what is old is removed."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta

import httpx
import psycopg
import pytest

from tests.stack import RunningStack, eventually, running_stack
from unioneyes.adapters.postgres.server import SUPERUSER
from unioneyes.console.backup_watch import BackupWatch
from unioneyes.environments import open_environment
from unioneyes.environments.local.stack import open_stack
from unioneyes.kernel.clock import now
from unioneyes.kernel.problems import ExitCode
from unioneyes.kernel.status import RunStatus
from unioneyes.operations.database.backups.schedule import DAY, DayState, prune_of, run_of
from unioneyes.runbook.engine import Engine

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

SERVERS = 2


@pytest.fixture(scope="module")
def stack() -> Iterator[RunningStack]:
    with running_stack(settings='[backup]\ndaily = "02:00"\n') as running:
        yield running


@pytest.fixture
def servers(stack: RunningStack) -> Iterator[list[BackupWatch]]:
    """Several servers' schedules on the same database; the stack's own worker carries out what they begin."""
    opened = open_environment("local", stack.home)
    engines = [Engine(database_url=opened.control_database_url, environment=opened.environment, redactor=opened.redactor, worker=False) for _ in range(SERVERS)]
    for engine in engines:
        engine.launch()
    try:
        yield [BackupWatch(engine, opened.environment, tell_again=timedelta(0)) for engine in engines]
    finally:
        for engine in engines:
            with closing(engine):
                pass


def tomorrow() -> datetime:
    """Return the moment at which tomorrow's backup is due."""
    return datetime.combine(now().date(), datetime.min.time(), UTC) + DAY + timedelta(hours=2)


def ended(stack: RunningStack, run: str) -> RunStatus:
    """Return how the run ended; it has."""
    found: list[RunStatus] = []

    def look() -> bool:
        found[:] = [each.status for each in stack.runs() if each.id == run and each.status.ended]
        return bool(found)

    assert eventually(look, within=90), [each.id for each in stack.runs()]
    return found[0]


def told(stack: RunningStack) -> list[str]:
    port = open_stack(stack.home).ports.vendors
    return [each["text"].split("\n")[0] for each in httpx.get(f"http://127.0.0.1:{port}/slack/_received", trust_env=False).json()]


def test_many_servers_make_one_backup_a_day_and_prune_once_behind_it(stack: RunningStack, servers: list[BackupWatch]) -> None:
    due = tomorrow()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: servers[number % SERVERS].look(due + timedelta(minutes=1)), range(16)))
    assert ended(stack, run_of(due)) is RunStatus.DONE
    for server in servers:
        server.look(due + timedelta(minutes=5))
    assert ended(stack, prune_of(due)) is RunStatus.DONE
    by_itself = sorted(run.id for run in stack.runs() if run.requested_by == "engine")
    assert by_itself == sorted([run_of(due), prune_of(due)])
    assert told(stack) == []
    (backup,) = stack.environment.backups.all()
    assert backup.verified_in is not None

    after_an_outage = due + 3 * DAY + timedelta(hours=5)
    for server in servers:
        server.look(after_an_outage)
    assert ended(stack, run_of(due + 3 * DAY)) is RunStatus.DONE
    view = servers[0].view(after_an_outage)
    assert view is not None
    assert [day.state for day in view.days] == [DayState.DONE, DayState.MISSED, DayState.MISSED, DayState.DONE]
    assert sorted(told(stack)) == ["DAILY BACKUP LATE: local", "DAILY BACKUP MISSED: local", "DAILY BACKUP MISSED: local"]

    fails = due + 4 * DAY
    parts = open_stack(stack.home)
    address = parts.primary.url(role=SUPERUSER, password=parts.secrets.superuser, database="unioneyes").get_secret_value()
    with psycopg.connect(address, autocommit=True) as admin:
        admin.execute("CREATE TABLE held (n int)")
        with admin.transaction():
            admin.execute("LOCK TABLE held IN ACCESS EXCLUSIVE MODE")
            servers[0].look(fails)
            assert ended(stack, run_of(fails)) is RunStatus.FAILED
        admin.execute("DROP TABLE held")
    for server in servers:
        server.look(fails + timedelta(minutes=1))
    assert told(stack).count("DAILY BACKUP FAILED: local") == 1
    assert ended(stack, prune_of(fails)) is RunStatus.DONE, "it may have failed for want of room; the last proven one stays all the same"
    assert len(stack.environment.backups.all()) == 2


def test_the_commands_make_show_prove_and_restore_a_backup(stack: RunningStack) -> None:
    made = stack.ue("backup", "create", "--name", "by-hand", "-o", "json")
    assert made.code == ExitCode.DONE, made.err
    shown = stack.ue("backup", "show", "by-hand")
    assert "✔ verified" in shown.out
    assert "by-hand" in stack.ue("backup", "list").out
    assert stack.ue("backup", "schedule").out.startswith("daily at  02:00 UTC")
    assert stack.ue("backup", "verify", "by-hand").code == ExitCode.DONE
    assert stack.ue("backup", "prune", "--dry-run").code == ExitCode.DONE
    restored = stack.ue("backup", "restore", "by-hand")
    assert restored.code == ExitCode.DONE, restored.err
    assert "unioneyes_restore" in restored.out


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("restore", "by-hand"), ExitCode.REFUSED),
        (("restore", "by-hand", "--into", "unioneyes"), ExitCode.USAGE),
        (("restore", "by-hand", "--into", "other", "--confirm", "unioneyes"), ExitCode.USAGE),
        (("restore", "by-hand", "--confirm", "unioneye"), ExitCode.REFUSED),
        (("restore", "nosuch"), ExitCode.REFUSED),
        (("create", "--name", "../outside"), ExitCode.USAGE),
        (("create", "--name", "by-hand"), ExitCode.REFUSED),
        (("verify", "nosuch"), ExitCode.REFUSED),
        (("show", "nosuch"), ExitCode.USAGE),
    ],
)
def test_what_makes_no_sense_or_would_harm_changes_nothing(stack: RunningStack, words: tuple[str, ...], code: ExitCode) -> None:
    before = [each.name for each in stack.environment.backups.all()]
    said = stack.ue("backup", *words)
    assert said.code == code, said.err
    assert "remedy" in said.err
    assert [each.name for each in stack.environment.backups.all()] == before
