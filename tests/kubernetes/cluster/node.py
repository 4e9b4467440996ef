"""A node: process, mount and network namespaces of their own, whose first process runs the programs that are wanted there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from pydantic import TypeAdapter

from tests.kubernetes.cluster.control_groups import ControlGroup
from tests.kubernetes.cluster.layout import Layout
from unioneyes.kernel.problems import Problem

_INIT = Path(__file__).with_name("init.py")
_ENTERED_FIRST = 'echo $$ >"$0" && exec "$@"'
"""Shell: the process enters the control group, then becomes the program."""
_NAMESPACES = ("--pid", "--mount", "--net", "--ipc", "--uts")
_UNSHARE = ("unshare", "--fork", "--kill-child", *_NAMESPACES)
_UP_WITHIN = timedelta(seconds=20)
_PROGRAMS = TypeAdapter(dict[str, tuple[int | None, int]])


@dataclass(kw_only=True, eq=False)
class NodeFailed(Problem):
    """A node's first process did not come up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A program that runs on a node until it is not wanted any more; ended, it is started again."""

    name: str
    command: tuple[str, ...]
    variables: tuple[str, ...] = ()
    """Variables for it alone, as `NAME=value`."""


@dataclass(frozen=True, slots=True)
class Node:
    """The node called `name` of a cluster, up or not."""

    layout: Layout
    name: str

    @property
    def folder(self) -> Path:
        """Where its own folders, its programs' logs, and what is wanted stand."""
        return self.layout.node(self.name)

    @property
    def logs(self) -> Path:
        """One file for each program."""
        return self.folder / "logs"

    @property
    def pid(self) -> int | None:
        """Its first process, as the machine counts; none while it is not up."""
        try:
            pid = int((self.folder / "init.pid").read_text())
        except FileNotFoundError:
            return None
        return pid if pid in ControlGroup(self.layout.group).members() else None

    def start(self) -> None:
        """The node is up, with no network but its loopback, and runs nothing yet. Raises: NodeFailed."""
        for folder in (self.logs, self.folder / "wanted", self.folder / "tmp"):
            folder.mkdir(parents=True, exist_ok=True)
        group = ControlGroup(self.layout.group)
        with (self.logs / "init.log").open("ab") as log:
            started = subprocess.Popen(
                ["sh", "-c", _ENTERED_FIRST, str(group.entrance), *_UNSHARE, sys.executable, "-I", str(_INIT), str(self.folder), self.name],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={"PATH": os.environ["PATH"]},
                cwd="/",
                start_new_session=True,
            )
        give_up = time.monotonic() + _UP_WITHIN.total_seconds()
        while self.pid is None:
            if started.poll() is not None or time.monotonic() > give_up:
                raise NodeFailed(
                    what=f"{self.name} did not come up: {(self.logs / 'init.log').read_text().strip()[-500:]}", remedy="make kubernetes-down, then try again"
                )
            time.sleep(0.01)

    def want(self, *programs: Program) -> None:
        """They run on the node, or will in a moment."""
        for program in programs:
            environment = {"PATH": os.environ["PATH"], "HOME": "/root", "TMPDIR": str(self.folder / "tmp")} | dict(
                each.split("=", 1) for each in program.variables
            )
            partial = self._wanted(program.name).with_suffix(".partial")
            partial.write_text(json.dumps({"command": program.command, "environment": environment}, indent=1))
            partial.rename(self._wanted(program.name))

    def programs(self) -> dict[str, tuple[int | None, int]]:
        """Return, of each program that is wanted, its process as the node counts, none while it does not run, and how often it ended by itself."""
        return _PROGRAMS.validate_json((self.folder / "programs.json").read_bytes())

    def hold(self, program: str) -> None:
        """The program was told to end, and is not started again before it is released."""
        self._wanted(program).rename(self._wanted(program).with_suffix(".held"))

    def release(self, program: str) -> None:
        """The program that was held runs, or will in a moment."""
        self._wanted(program).with_suffix(".held").rename(self._wanted(program))

    def tell(self, program: str, signal: str) -> None:
        """The program got that signal: `KILL` and it is started again, `STOP` and it answers nobody until `CONT`. Raises: NodeFailed when it does not run."""
        pid, _ = self.programs()[program]
        if pid is None:
            raise NodeFailed(what=f"{program} does not run on {self.name}", remedy="make kubernetes-status")
        self.run("kill", f"-{signal}", str(pid))

    def end(self) -> None:
        """Its processes are gone at once, as if its power was cut: no order to end is given."""
        if (pid := self.pid) is not None:
            subprocess.run(["kill", "-9", str(pid)], check=False)

    def enter(self, *command: str, into: tuple[str, ...] = _NAMESPACES) -> tuple[str, ...]:
        """Return the command that runs `command` in those namespaces of the node. Raises: NodeFailed when it is not up."""
        if (pid := self.pid) is None:
            raise NodeFailed(what=f"{self.name} is not up", remedy="make kubernetes-up")
        return ("nsenter", "--target", str(pid), *into, "--", *command)

    def run(self, *command: str, fed: str = "") -> str:
        """Return what `command`, which ended well on the node, printed. Raises: NodeFailed."""
        done = subprocess.run(self.enter(*command), input=fed, capture_output=True, text=True, check=False)
        if done.returncode:
            raise NodeFailed(what=f"{' '.join(command)} on {self.name}: {done.stderr.strip()}", remedy="make kubernetes-status")
        return done.stdout

    def _wanted(self, program: str) -> Path:
        return self.folder / "wanted" / f"{program}.json"
