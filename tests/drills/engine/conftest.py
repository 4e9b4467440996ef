"""What the engine's drills stand on: a PostgreSQL of their own, and workers that are processes, as in production."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import psycopg
import pytest
from pydantic import SecretStr

from tests.drills.engine.audited import Audited, begun
from tests.drills.engine.runbooks import SIDE_TABLES, Move, Script, Side, environment
from unioneyes.adapters.postgres.server import SUPERUSER, PostgresServer
from unioneyes.kernel.ids import new_id
from unioneyes.kernel.redaction import Redactor
from unioneyes.runbook.audit.entry import Action, AuditEntry
from unioneyes.runbook.codec import encode
from unioneyes.runbook.direct.folder import DirectFolder
from unioneyes.runbook.engine import Engine
from unioneyes.runbook.store.database import ControlDatabase
from unioneyes.runbook.views import EntryKind, JournalEntry, RunView

PASSWORD = SecretStr("throwaway-secret")
Seen = TypeVar("Seen")
ROOT = Path(__file__).parents[3]


@dataclass(slots=True, kw_only=True)
class Drill:
    """A control plane's database, workers on it, and the engine's API as a process without a worker has it."""

    server: PostgresServer
    beside: PostgresServer
    """Where the world that the drills change stands."""
    control: str
    engine: Engine
    runbooks: Path
    """Where the workers' own runbooks stand."""
    break_glass: DirectFolder
    """Where people journal what they do without the engine."""
    workers: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def side(self) -> Side:
        return Side(url=url(self.beside, self.control))

    def work(self, *, through: int | None = None) -> subprocess.Popen[str]:
        """Start a worker, and return when it takes runs. It reaches the control plane's database `through` another port, where one is given."""
        control = url(self.server, self.control)
        worker = subprocess.Popen(
            [sys.executable, "-m", "tests.drills.engine.worker"],
            cwd=ROOT,
            env={
                **os.environ,
                "DRILL_CONTROL_URL": control if through is None else control.replace(f":{self.server.port}/", f":{through}/"),
                "DRILL_SIDE_URL": self.side.url,
                "DRILL_RUNBOOKS": str(self.runbooks),
                "DRILL_BREAK_GLASS": str(self.break_glass.path),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.workers.append(worker)
        assert worker.stdout is not None
        assert worker.stdout.readline() == "launched\n"
        return worker

    def end_workers(self) -> None:
        for worker in self.workers:
            worker.terminate()
        for worker in self.workers:
            assert worker.wait(20) in {0, -9}
            assert worker.stdout is not None
            worker.stdout.close()
        self.workers.clear()

    def start(self, *moves: Move, runbook: str = "drill.script", park: bool = False) -> RunView:
        return self.start_script(Script(moves=moves), runbook=runbook, park=park)

    def start_script(self, script: Script, *, runbook: str = "drill.script", park: bool = False) -> RunView:
        return self.engine.start(runbook, encode(script, Script), by="member-1@example.org", park=park)

    def ended(self, run_id: str, *, within: float = 30) -> RunView:
        """Return the run once it has ended."""
        return self.until(lambda: self.engine.run(run_id), lambda run: run.status.ended, within=within)

    def effects(self, *words: str) -> list[str]:
        """Return what was done to the world, in order, as far as it begins with one of `words`."""
        with self.side.connect() as connection:
            told = [str(row[0]) for row in connection.execute("SELECT what FROM effects ORDER BY id")]
        return [what for what in told if not words or what.startswith(words)]

    def kinds(self, run_id: str) -> list[str]:
        """Return the run's journal, its progress left out, as `kind step`."""
        lines = self.engine.journal(run_id)
        return [f"{line.kind} {line.step}" if line.step else line.kind.value for line in lines if line.kind is not EntryKind.STEP_PROGRESS]

    def in_control(self, statement: str, *values: str) -> int:
        """Change something in the control plane's database behind the engine's back; return how many rows."""
        with psycopg.connect(url(self.server, self.control), autocommit=True) as connection:
            return connection.execute(statement.encode(), values).rowcount

    def line(self, run_id: str, kind: EntryKind) -> JournalEntry:
        """Return the run's first line of that kind."""
        return next(line for line in self.engine.journal(run_id) if line.kind is kind)

    def audited(self, action: Action, *, run: str | None = None) -> list[AuditEntry]:
        """Return what the audit log says of that kind, oldest first: of one run, or of everything."""
        return [item.entry for item in reversed(self.engine.audit.page(limit=500, run=run)) if item.entry.action == action]

    @staticmethod
    def until(look: Callable[[], Seen], right: Callable[[Seen], bool], *, within: float = 30) -> Seen:
        give_up = time.monotonic() + within
        while True:
            seen = look()
            if right(seen):
                return seen
            assert time.monotonic() < give_up, seen
            time.sleep(0.05)


def url(server: PostgresServer, database: str) -> str:
    return server.url(role=SUPERUSER, password=PASSWORD, database=database).get_secret_value()


@contextmanager
def running_server() -> Iterator[PostgresServer]:
    """A PostgreSQL that keeps what it was told, in a folder of its own."""
    folder = Path(tempfile.mkdtemp(prefix="ue-", dir="/tmp"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    server = PostgresServer(name="drill", folder=folder / "pg", port=port, sockets=folder / "s", settings={"fsync": "off"})
    try:
        server.initialise(PASSWORD)
        with server.running_meanwhile():
            yield server
    finally:
        shutil.rmtree(folder)


@contextmanager
def drill_on(server: PostgresServer, *, beside: PostgresServer | None = None) -> Iterator[Drill]:
    control = new_id("drill").replace("-", "_")
    runbooks = server.folder.with_name(f"{control}-runbooks")
    runbooks.mkdir(mode=0o700)
    break_glass = DirectFolder(server.folder.with_name(f"{control}-break-glass"))
    drill = Drill(server=server, beside=beside or server, control=control, engine=engine_on(server, control), runbooks=runbooks, break_glass=break_glass)
    for each in {server.port: server, drill.beside.port: drill.beside}.values():
        with psycopg.connect(url(each, "postgres"), autocommit=True) as admin:
            admin.execute(f'CREATE DATABASE "{control}"'.encode())
    with drill.side.connect() as side:
        side.execute(SIDE_TABLES.encode())
    drill.engine.launch()
    try:
        yield drill
    finally:
        drill.end_workers()
        drill.engine.close()


def engine_on(server: PostgresServer, control: str) -> Engine:
    """An engine as a process without a worker has it."""
    return Engine(database_url=SecretStr(url(server, control)), environment=environment(), redactor=Redactor(), worker=False)


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    with running_server() as server:
        yield server


@pytest.fixture(scope="module")
def shared(server: PostgresServer) -> Iterator[Drill]:
    """A drill with a worker, for the tests of a module that kill nothing."""
    with drill_on(server) as drill:
        drill.work()
        yield drill


@pytest.fixture
def drill(shared: Drill) -> Drill:
    """The module's drill, with an untouched world."""
    with shared.side.connect() as connection:
        connection.execute("TRUNCATE effects, marks")
    return shared


@pytest.fixture
def fresh(server: PostgresServer) -> Iterator[Drill]:
    """A drill of its own, without a worker yet."""
    with drill_on(server) as drill:
        yield drill


@pytest.fixture
def audited(fresh: Drill, tmp_path: Path) -> Iterator[Audited]:
    """The audit log of the fresh drill's database, with nothing in it."""
    control_url = url(fresh.server, fresh.control)
    database = ControlDatabase(SecretStr(control_url), name="test")
    yield Audited(control_url=control_url, database=database, witness=begun(tmp_path / "checkpoints"))
    database.close()
