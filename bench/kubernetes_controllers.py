"""A peer's controller as a program on this machine, and the way that it has to the API server: one that writes down what it asks."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bench_footprint import pss
from kubernetes_rules import count_calls
from kubernetes_stage import Setting, await_
from peers import free_port
from tests.kubernetes.cluster.binaries import program
from unioneyes.kernel.variables import handed_on

_ENDS_WITHIN = 20.0
"""Seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Controller:
    """One that runs."""

    pid: int
    log: Path
    """What `kubectl proxy` said of the requests that it passed on."""

    def calls(self) -> Counter[str]:
        """Return what the API server was asked until now, by verb."""
        return count_calls(self.log.read_text(errors="replace"))

    def memory(self) -> float:
        """Return what it takes now, in KiB."""
        return pss(self.pid)


@contextmanager
def run_controller(setting: Setting, name: str, command: Callable[[str], tuple[str, ...]], *, folder: Path) -> Iterator[Controller]:
    """A controller runs, and what it asks is written down. `command` makes its arguments of the path of a kubeconfig."""
    port, log = free_port(), folder / "calls.log"
    proxy = (str(program("kubectl")), f"--kubeconfig={setting.cluster.layout.kubeconfig}", "proxy", f"--port={port}", "-v=6")
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": name, "cluster": {"server": f"http://127.0.0.1:{port}"}}],
                "users": [{"name": name, "user": {}}],
                "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": setting.namespace}}],
                "current-context": name,
            }
        )
    )
    with _running(proxy, log):
        await_(lambda: "Starting to serve" in log.read_text(errors="replace"), "kubectl proxy serves")
        with _running(command(str(kubeconfig)), folder / f"{name}.log") as controller:
            with suppress(subprocess.TimeoutExpired):  # one that can't run ends at once
                controller.wait(timeout=1)
                raise AssertionError((folder / f"{name}.log").read_text()[-800:])
            yield Controller(pid=controller.pid, log=log)


@contextmanager
def _running(command: tuple[str, ...], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The program runs until the end of the block; what it says stands in the log."""
    with log.open("wb") as said, subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=handed_on()) as process:
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(timeout=_ENDS_WITHIN)
            except subprocess.TimeoutExpired:
                process.kill()
