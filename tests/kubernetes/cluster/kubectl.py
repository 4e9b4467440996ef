"""Our own kubectl, on a cluster: the one that was built with it, and no other that may stand earlier on PATH."""

from __future__ import annotations

import json
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from pydantic import JsonValue

from tests.kubernetes.cluster.binaries import program
from unioneyes.kernel.problems import Problem, Unavailable


@dataclass(kw_only=True, eq=False)
class KubectlFailed(Problem):
    """The command did not end well."""


@dataclass(kw_only=True, eq=False)
class NotReady(Unavailable):
    """Something of the cluster did not become ready in time."""


@dataclass(frozen=True, slots=True)
class Kubectl:
    """Commands for the cluster of a kubeconfig."""

    kubeconfig: Path
    other: Path | None = None
    """Another kubectl than our own."""

    def __call__(self, *words: str, fed: str = "", within: float = 60) -> str:
        """Return what the command printed. Raises: KubectlFailed."""
        command = [str(self.other or program("kubectl")), f"--kubeconfig={self.kubeconfig}", f"--cache-dir={self.kubeconfig.parent / 'kubectl'}", *words]
        try:
            done = subprocess.run(command, input=fed, capture_output=True, text=True, timeout=within, check=False)
        except subprocess.TimeoutExpired:
            raise KubectlFailed(what=f"kubectl {' '.join(words)} took longer than {within:g} s", remedy="make kubernetes-status") from None
        if done.returncode:
            raise KubectlFailed(what=f"kubectl {' '.join(words)}: {done.stderr.strip() or done.stdout.strip()}", remedy="make kubernetes-status")
        return done.stdout

    def apply(self, *objects: Mapping[str, JsonValue]) -> None:
        """The objects are as they are described."""
        listed: JsonValue = {"apiVersion": "v1", "kind": "List", "items": [dict(each) for each in objects]}
        self("apply", "--server-side", "--filename=-", fed=json.dumps(listed))


def answers_ready(api: str, authority: Path) -> bool:
    """Return whether the API server says that it is ready."""
    try:
        with urllib.request.urlopen(f"{api}/readyz", timeout=2, context=ssl.create_default_context(cafile=str(authority))):  # noqa: S310 - https, of our own
            return True
    except (urllib.error.URLError, OSError):
        return False


def wait_until(true: Callable[[], bool], what: str, *, within: timedelta, remedy: str = "see its programs' logs: make kubernetes-status") -> None:
    """`true` is. Raises: NotReady, which says `what` is not."""
    give_up = time.monotonic() + within.total_seconds()
    while not true():
        if time.monotonic() > give_up:
            raise NotReady(what=f"{what} within {within.total_seconds():g} s", remedy=remedy)
        time.sleep(0.05)
