"""A running embedded stack for drills: started by `ue env up` as a person does, on free ports, in a folder of its own, and gone afterwards."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import httpx
from pydantic import JsonValue, TypeAdapter

from unioneyes.environments import LOCAL, locate, open_environment
from unioneyes.environments.local.layout import Layout
from unioneyes.environments.local.status import ProcessView, StackStatus, stack_status
from unioneyes.kernel.problems import Problem
from unioneyes.ports.environment import Environment
from unioneyes.runbook.views import RunView

_UP: list[RunningStack] = []
_CARRIED_OUT: list[RunView] = []
"""What was run on the stacks that are gone."""
UE = str(Path(sys.executable).with_name("ue"))
FREE_PORTS = ("--service-port", "0", "--preview-port", "0", "--control-port", "0")
DRILL_SETTINGS = """
[waivers]
current-version = "a drill runs on whatever stands in the work tree"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What one `ue` command answered."""

    code: int
    out: str
    err: str

    def json(self) -> dict[str, JsonValue]:
        """Return standard output, read as one JSON object."""
        document = json.loads(self.out)
        assert isinstance(document, dict), self.out
        return document


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningStack:
    """One stack, up or down, and `ue` pointed at it."""

    home: Path
    env: str = LOCAL
    """Which environment it is: where the service runs."""

    @property
    def layout(self) -> Layout:
        return Layout(self.home)

    @property
    def environment(self) -> Environment:
        """The ports that a runbook would get, built in this process."""
        return open_environment(self.env, self.home).environment

    def ue(self, *words: str, within: float = 90, token: str | None = None) -> Said:
        """Run one `ue` command against this stack: as its owner, or as whoever holds `token`."""
        where = ("--env", self.env) if self.env != LOCAL else ()
        return ue(*words, *where, "--home", str(self.home), within=within, token=token)

    def runs(self) -> tuple[RunView, ...]:
        """Return the last runs, also those that were a part of others; none where nobody answers."""
        try:
            address = locate(self.env, self.home)
            headers = {"Authorization": f"Bearer {address.token.get_secret_value()}"}
            answer = httpx.get(f"{address.url}/api/v1/runs", params={"limit": 500}, headers=headers, timeout=5, trust_env=False).raise_for_status()
        except (Problem, httpx.HTTPError):
            return ()
        return TypeAdapter(tuple[RunView, ...]).validate_python(answer.json())

    def start(self, *words: str, within: float = 120) -> Said:
        """Run `ue env up`: on free ports the first time, on the kept ones afterwards."""
        ports = () if self.layout.ports.exists() else FREE_PORTS
        return self.ue("env", "up", *ports, *words, within=within)

    def status(self) -> StackStatus:
        return stack_status(self.home)

    def process(self, name: str) -> ProcessView:
        (found,) = (each for each in self.status().processes if each.name == name)
        return found

    def pid(self, name: str) -> int:
        pid = self.process(name).pid
        assert pid is not None, f"{name} does not run"
        return pid


def carried_out(since: datetime) -> tuple[RunView, ...]:
    """Return the runs that were begun after `since` on the stacks that this process started."""
    return tuple(run for run in (*_CARRIED_OUT, *(run for stack in _UP for run in stack.runs())) if run.created_at >= since)


def ue(*words: str, within: float = 90, token: str | None = None) -> Said:
    """Run one `ue` command, without a terminal."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("UE_")} | ({"UE_TOKEN": token} if token else {})
    done = subprocess.run([UE, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=within, check=False, env=environment)
    return Said(code=done.returncode, out=done.stdout, err=done.stderr)


def eventually(true: Callable[[], bool], *, within: float = 30) -> bool:
    """Return whether `true` became true in time; the time is a bound for a hanging test, not a promise."""
    give_up = time.monotonic() + within
    while not true():
        if time.monotonic() > give_up:
            return False
        time.sleep(0.05)
    return True


@contextmanager
def empty_stack(*, settings: str = DRILL_SETTINGS, env: str = LOCAL) -> Iterator[RunningStack]:
    """Give a stack that was never started; whatever the test starts of it is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="ue-", dir="/tmp")).resolve()
    home = folder / "home"
    home.mkdir(mode=0o700)
    (home / "environment.toml").write_text(f'name = "{env}"\n{settings}')
    stack = RunningStack(home=home, env=env)
    _UP.append(stack)
    try:
        yield stack
    finally:
        _UP.remove(stack)
        _CARRIED_OUT.extend(stack.runs())
        ended = stack.ue("env", "down")
        assert ended.code == 0, ended.err
        shutil.rmtree(folder)


@contextmanager
def running_stack(*, settings: str = DRILL_SETTINGS) -> Iterator[RunningStack]:
    """Give a stack that is up, with nothing deployed; it is gone afterwards."""
    with empty_stack(settings=settings) as stack:
        started = stack.start()
        assert started.code == 0, started.err
        yield stack
