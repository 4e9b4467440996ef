"""What the drills of the main job do and look at, from outside: the command, the client, the database, the vendor."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import httpx
import psycopg
from pydantic import JsonValue, TypeAdapter

from tests.stack import RunningStack, Said, eventually
from unioneyes.adapters.postgres.bootstrap import DATABASE, OWNER
from unioneyes.adapters.postgres.server import SUPERUSER
from unioneyes.adapters.processes.spec import ProcessState
from unioneyes.cli.client import Api
from unioneyes.cli.options import Where
from unioneyes.environments.folders import runbooks_folder
from unioneyes.environments.local.stack import Stack, open_stack
from unioneyes.kernel.clock import now
from unioneyes.kernel.fencing import Fence
from unioneyes.operations.rollback.model import RollbackOption

JsonObject = dict[str, JsonValue]
_OBJECT: TypeAdapter[JsonObject] = TypeAdapter(JsonObject)
_OBJECTS: TypeAdapter[list[JsonObject]] = TypeAdapter(list[JsonObject])
_OPTIONS = TypeAdapter(tuple[RollbackOption, ...])
LOOK_EVERY = 0.02
REACHED_WITHIN = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """Who serves."""

    colour: str
    version: str
    idle_version: str | None
    """What stands on the other colour; None when it is empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MainJob:
    """One stack, on which releases go out and back."""

    stack: RunningStack

    def deploy(self, version: str, *flags: str, within: float = 120) -> Said:
        """Run `ue deploy start` to its end."""
        return self.stack.ue("deploy", "start", version, *flags, "-o", "json", within=within)

    def deployed(self, version: str, *flags: str) -> JsonObject:
        """Deploy what must succeed; return the run."""
        said = self.deploy(version, *flags)
        assert said.code == 0, said.err
        return self.run(said)

    def started(self, version: str, *flags: str) -> str:
        """A deployment is under way; return its run."""
        said = self.stack.ue("deploy", "start", version, *flags, "--detach", "-o", "json")
        assert said.code in {0, 8}, said.err
        return str(self.run(said)["id"])

    def ended(self, run_id: str, *, within: float = 120) -> Said:
        """Follow a run to its end."""
        return self.stack.ue("run", "watch", run_id, "-o", "json", within=within)

    def run(self, said: Said) -> JsonObject:
        """Return the run that a command printed."""
        return _OBJECT.validate_json(said.out)

    def result(self, said: Said) -> JsonObject:
        """Return the receipt that a command printed."""
        return _OBJECT.validate_python(self.run(said)["result"])

    def status(self) -> JsonObject:
        return _OBJECT.validate_json(self.stack.ue("env", "status", "-o", "json").out)

    def serving(self) -> Serving:
        colours = self.stack.status().colours
        live = next(colour for colour in colours if colour.traffic == 100)
        idle = next(colour for colour in colours if colour is not live)
        return Serving(colour=live.colour, version=str(live.version), idle_version=str(idle.version) if idle.replicas else None)

    def serving_nothing(self) -> bool:
        return all(not colour.replicas for colour in self.stack.status().colours)

    def at_rest(self) -> bool:
        """Whether one release serves alone, every part runs, and no run holds the service."""
        status = self.stack.status()
        whole = all(process.state is ProcessState.READY for process in status.processes)
        alone = sorted((colour.traffic or 0, bool(colour.replicas)) for colour in status.colours) == [(0, False), (100, True)]
        held = self.stack.ue("deploy", "status", "-o", "json")
        return whole and alone and not status.maintenance and held.code == 0 and _OBJECT.validate_json(held.out)["lock"] is None

    def ensure_serving(self, version: str) -> None:
        """`version` serves and the other colour is empty, whatever the test before left."""
        serving = self.serving()
        if serving.version != version:
            self.deployed(version, "--migrate", "--bake", "1s")
        elif serving.idle_version is not None:
            message = f"a test left {serving.idle_version} running"
            raise AssertionError(message)

    @property
    def parts(self) -> Stack:
        """The stack's addresses and secrets."""
        return open_stack(self.stack.home)

    @property
    def runbooks(self) -> Path:
        """Where the stack takes the project's own runbooks from."""
        return runbooks_folder(self.parts.settings)

    def database(self) -> psycopg.Connection[tuple[object, ...]]:
        """Connect to the operated database as the schema's owner."""
        return psycopg.connect(self.parts.database_url(OWNER).get_secret_value(), connect_timeout=5)

    def superuser(self) -> psycopg.Connection[tuple[object, ...]]:
        """Connect to the operated database as nobody of the product does."""
        parts = self.parts
        url = parts.primary.url(role=SUPERUSER, password=parts.secrets.superuser, database=DATABASE)
        return psycopg.connect(url.get_secret_value(), connect_timeout=5)

    def ledger(self) -> list[str]:
        """Return the hashes in Drizzle's ledger, oldest first, as PostgreSQL itself says."""
        with self.database() as connection:
            return [str(row[0]) for row in connection.execute("select hash from drizzle.__drizzle_migrations order by id").fetchall()]

    def ensure_not_migrated(self, *, serving: str, to: str) -> None:
        """`serving` serves alone on its own schema, so that a deployment of `to` has migrations to apply again."""
        self.ensure_serving(serving)
        migrations = self.stack.environment.migrations
        older = {migration.tag for migration in migrations.folder(serving)}
        migrations.roll_back(tuple(migration for migration in migrations.folder(to) if migration.tag not in older))

    def migrate(self, version: str) -> None:
        """The schema is that of `version`, whatever serves."""
        migrations = self.stack.environment.migrations
        migrations.apply(migrations.folder(version))

    def waiting_locks(self) -> int:
        """Return how many sessions wait for a lock, as PostgreSQL says."""
        with self.database() as connection:
            row = connection.execute("select count(*) from pg_locks where not granted").fetchone()
        assert row is not None
        return int(str(row[0]))

    def announced(self) -> list[JsonObject]:
        """Return what the incidents channel received; nothing that the vendor would refuse may be among what was sent."""
        slack = self.parts.slack_url.removesuffix("api/")
        assert httpx.get(f"{slack}_violations").json() == []
        return _OBJECTS.validate_python(httpx.get(f"{slack}_received").json())

    @contextmanager
    def chat(self, **faults: JsonValue) -> Iterator[None]:
        """Slack has these faults in the block; see `Faults` of its simulator."""
        switch = f"{self.parts.slack_url.removesuffix('api/')}_faults"
        httpx.post(switch, json=faults).raise_for_status()
        try:
            yield
        finally:
            httpx.post(switch, json={"mode": None}).raise_for_status()

    @contextmanager
    def routes_held(self) -> Iterator[None]:
        """Nobody changes the routes in the block: somebody else is about to."""
        with Fence(self.stack.layout.envoy / "writer.lock").entered():
            yield

    def traffic_option(self) -> RollbackOption:
        """Return option A as `ue rollback plan` shows it."""
        options = _OPTIONS.validate_json(self.stack.ue("rollback", "plan", "-o", "json").out)
        return next(option for option in options if option.runbook == "rollback.traffic")

    def newest_run(self, runbook: str) -> str:
        runs = _OBJECTS.validate_json(self.stack.ue("run", "list", "-o", "json").out)
        return next(str(run["id"]) for run in runs if run["runbook"] == runbook)

    def kill(self, process: str) -> None:
        """`process` was killed, and what keeps it running has started it again: it is ready."""
        victim = self.stack.pid(process)
        os.kill(victim, signal.SIGKILL)
        assert eventually(lambda: self._again(process, victim), within=60), f"{process} was not started again"

    def _again(self, process: str, victim: int) -> bool:
        found = self.stack.process(process)
        return found.pid not in {None, victim} and found.state is ProcessState.READY

    def wait_for_step(self, run_id: str, step: str) -> None:
        """Return when the run is in `step`."""
        with closing(Api(Where(env=self.stack.env, home=self.stack.home))) as api:
            assert eventually(lambda: api.run(run_id).value.step == step, within=60), self.journal(run_id)

    def kill_in(self, step: str, request: JsonObject, *, process: str = "control") -> tuple[str, datetime]:
        """`process`, the worker when not given, was killed as soon as its run's journal said that it had come to `step`; return the run, and when."""
        victim = self.stack.pid(process)
        run = self.begin(request)
        self.reach(run, step)
        os.kill(victim, signal.SIGKILL)
        return run, now()

    def begin(self, request: JsonObject, *, runbook: str = "deployment.start", confirm: str | None = None, park: bool = False) -> str:
        """A run is under way, a deployment when nothing else is said; return it, at once."""
        with closing(Api(Where(env=self.stack.env, home=self.stack.home))) as api:
            return api.start(runbook, request, confirm=confirm, park=park).value.id

    def reach(self, run: str, step: str) -> None:
        """Return as soon as the run's journal says that it has come to `step`."""
        last, give_up = 0, time.monotonic() + REACHED_WITHIN
        with closing(Api(Where(env=self.stack.env, home=self.stack.home))) as api:
            while time.monotonic() < give_up:
                for entry in api.journal(run, after=last).value:
                    last = entry.seq
                    if entry.step == step:
                        return
                time.sleep(LOOK_EVERY)
        message = f"{run} did not come to {step}: {self.journal(run)}"
        raise AssertionError(message)

    def shown(self, run_id: str) -> JsonObject:
        """Return the run as `ue run show` prints it."""
        return _OBJECT.validate_json(self.stack.ue("run", "show", run_id, "-o", "json").out)

    def journal(self, run_id: str) -> list[JsonObject]:
        """Return the journal of a run."""
        out = self.stack.ue("run", "logs", run_id, "-o", "jsonl").out
        return [_OBJECT.validate_json(line) for line in out.splitlines()]
