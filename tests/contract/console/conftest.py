"""The server of `ue` by itself: with its own database, and without the stack that it would operate."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

import psycopg
import pytest
import uvicorn
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Mount, Route

from tests.stack import UE, Said, eventually
from unioneyes.console.app import build_app
from unioneyes.console.backup_watch import BackupWatch
from unioneyes.console.control import Control
from unioneyes.console.headers import LOOPBACK_NAMES
from unioneyes.console.journals import Journals
from unioneyes.console.limits import Limits
from unioneyes.console.pod_sampler import PodSampler
from unioneyes.console.sampler import Sampler
from unioneyes.console.serve import uvicorn_config
from unioneyes.environments import open_environment
from unioneyes.environments.chapters import drilled
from unioneyes.environments.local.control_database import bootstrap_control
from unioneyes.environments.local.layout import Layout
from unioneyes.environments.local.ports import Ports, keep_ports
from unioneyes.environments.local.stack import Stack, open_stack
from unioneyes.kernel.redaction import Redactor
from unioneyes.runbook.engine import Engine
from unioneyes.runbook.freshness import Drills
from unioneyes.runbook.own import OwnRunbooks


@dataclass(frozen=True, slots=True, kw_only=True)
class Alone:
    """A home whose server can be started; of its stack, nothing but the server's own database runs."""

    home: Path

    @property
    def stack(self) -> Stack:
        return open_stack(self.home)

    @property
    def token(self) -> str:
        """The environment's own."""
        return self.stack.secrets.api_token.get_secret_value()

    def settle(self, settings: str) -> None:
        (self.home / "environment.toml").write_text(settings)

    def forget(self) -> None:
        """Nobody is known here, nothing is waited for, and nothing is set: no test finds what another one left."""
        self.settle("")
        layout = Layout(self.home)
        layout.alarm.unlink(missing_ok=True)
        shutil.rmtree(layout.vendors, ignore_errors=True)
        with psycopg.connect(self.stack.control_database_url.get_secret_value(), autocommit=True) as connection:
            connection.execute("UPDATE ue.tokens SET revoked_at = now(), revoked_by = 'nobody' WHERE revoked_at IS NULL")
            connection.execute("UPDATE ue.sessions SET ended_at = now(), ended_by = 'nobody' WHERE ended_at IS NULL")
            connection.execute("UPDATE ue.runs SET status = 'cancelled', ended_at = now() WHERE ended_at IS NULL")
            connection.execute("DELETE FROM ue.link_codes")

    def ue(self, *words: str, **variables: str) -> Said:
        """Run a `ue` command: on this home, or with the variables alone."""
        named = () if variables else ("--home", str(self.home))
        environment = {name: value for name, value in os.environ.items() if not name.startswith("UE_")}
        done = subprocess.run(
            [UE, *words, *named], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=90, check=False, env=environment | variables
        )
        return Said(code=done.returncode, out=done.stdout, err=done.stderr)

    @contextmanager
    def serving(self, settings: str) -> Iterator[None]:
        """`ue serve` answers, as the settings say, until the end; it ends well when it is told to."""
        self.settle(settings)
        told = self.home / "logs" / "control.log"
        with told.open("w") as log:
            server = subprocess.Popen([UE, "serve", "--home", str(self.home)], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            assert eventually(lambda: server.poll() is not None or self.ue("whoami").code == 0, within=60), told.read_text()
            assert server.poll() is None, told.read_text()
            yield
        finally:
            server.send_signal(signal.SIGTERM)
            code = server.wait(30)
        assert (code, told.read_text().splitlines()[-1].rpartition(": ")[2]) == (0, "ended"), told.read_text()

    @contextmanager
    def app(self, limits: Limits | None = None, settings: Callable[[str], str] = lambda _: "") -> Iterator[str]:
        """The real application answers over HTTP in this process, as `ue serve` has it, but without a worker; yields its address.

        `settings` are what its file says of it at that address.
        """
        with socket.create_server(("127.0.0.1", 0)) as listening:
            url = f"http://127.0.0.1:{listening.getsockname()[1]}"
            self.settle(settings(url))
            with self._answering(listening, limits):
                yield url

    @contextmanager
    def _answering(self, listening: socket.socket, limits: Limits | None) -> Iterator[None]:
        opened = open_environment("local", self.home)
        engine = Engine(database_url=opened.control_database_url, environment=opened.environment, redactor=opened.redactor, worker=False)
        control = Control(
            engine=engine,
            environment=opened.environment,
            journals=Journals(engine),
            sampler=Sampler(opened.environment.traffic),
            pods=PodSampler(opened.environment.pods, redact=opened.redactor),
            watch=BackupWatch(engine, opened.environment),
            own=OwnRunbooks(opened.runbooks),
            drills=Drills(drilled),
            token=opened.api_token,
            redactor=opened.redactor,
            hosts=LOOPBACK_NAMES,
            sign_in=opened.sign_in,
            chat=opened.chat,
            limits=limits or Limits(),
        )
        engine.launch()
        server = uvicorn.Server(uvicorn_config(build_app(control), None))
        with closing(engine):
            thread = Thread(target=server.run, args=([listening],), daemon=True)
            thread.start()
            try:
                yield
            finally:
                server.should_exit = True
                thread.join()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def standing() -> Iterator[Alone]:
    folder = Path(tempfile.mkdtemp(prefix="ue-", dir="/tmp")).resolve()
    layout = Layout(folder / "home")
    layout.claim_home()
    layout.claim_sockets()
    keep_ports(layout.ports, Ports(control=free_port(), control_database=free_port(), database=9, replica=9, vendors=9, service=9, preview=9))
    stack = open_stack(layout.home)
    try:
        stack.control_server.initialise(stack.secrets.superuser)
        with stack.control_server.running_meanwhile():
            bootstrap_control(stack)
            yield Alone(home=layout.home)
    finally:
        shutil.rmtree(layout.sockets)
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def alone(standing: Alone) -> Iterator[Alone]:
    yield standing
    standing.forget()


def app_routes() -> list[Route | Mount]:
    """Return every route of the server. Building it uses the host names of its parts alone."""
    bare = object.__new__(Control)
    object.__setattr__(bare, "hosts", frozenset())
    object.__setattr__(bare, "redactor", Redactor())
    return list(below(build_app(bare).routes))


def below(routes: Iterable[BaseRoute]) -> Iterator[Route | Mount]:
    """Yield the routes, those of included routers (which keep their own) too."""
    for route in routes:
        if isinstance(route, Route | Mount):
            yield route
        else:
            yield from below(route.original_router.routes)  # type: ignore[attr-defined]  # FastAPI's own kind; another one fails here


def method_of(route: APIRoute) -> str:
    assert route.methods
    (method,) = route.methods
    return method
