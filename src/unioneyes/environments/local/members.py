"""The members' load on a running stack, as a client outside: a program of its own that never retries."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from unioneyes.environments.local.stack import open_stack
from unioneyes.kernel.clock import Deadline
from unioneyes.kernel.problems import Problem
from unioneyes.kernel.units import format_duration
from unioneyes.kernel.variables import handed_on
from unioneyes.operations.rehearsal.model import Answered, ClientSeen
from unioneyes.simulators.report import LoadReport, read_report

ENDS_WITHIN = timedelta(seconds=30)
"""Fifteen seconds for the answers under way, and some for the sum."""

SIGNED_IN_WITHIN = timedelta(seconds=60)
"""A dozen requests, on a busy machine."""

LOOK_EVERY = timedelta(milliseconds=20)

DECISIONS, SMALL = 0.04, 0.03
"""Shares of the requests that stewards decide by, and that a small organization makes: fewer than an average would show."""


class LoadFailed(Problem):
    """The members' load could not be put on the service, so nothing was measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Members:
    """Members at work."""

    process: subprocess.Popen[bytes]
    report: Path
    """One line of JSON per request."""

    def seen(self) -> ClientSeen:
        """Return what they have seen so far."""
        return client_seen(read_report(self.report)) if self.report.exists() else client_seen(None)

    def finish(self) -> ClientSeen:
        """No more requests are sent, those under way have ended; return what was seen. Raises: LoadFailed."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self._await_end()
        return self.seen()

    def await_signed_in(self) -> None:
        """The members have signed in, and begin to work. Raises: LoadFailed."""
        deadline = Deadline.after(SIGNED_IN_WITHIN)
        while not self.report.exists():
            if self.process.poll() is not None:
                self._await_end()
            if deadline.passed:
                raise LoadFailed(what=f"the members have not signed in within {format_duration(SIGNED_IN_WITHIN)}", remedy="ue env status")
            time.sleep(LOOK_EVERY.total_seconds())

    def _await_end(self) -> None:
        _, err = self.process.communicate(timeout=ENDS_WITHIN.total_seconds())
        if self.process.returncode:
            raise LoadFailed(what=f"the members' load ended with {self.process.returncode}: {err.decode().strip()[-300:]}", remedy="ue env status")


@contextmanager
def run_members(home: Path, *, rate: float, url: str | None = None) -> Iterator[Members]:
    """Members, signed in, work on the stack in `home`, `rate` requests a second, until `finish` or the end of the block.

    They go through `url` where another proxy stands there. Raises: LoadFailed.
    """
    stack = open_stack(home)
    with TemporaryDirectory(prefix="ue-members-") as folder:
        report = Path(folder) / "members.jsonl"
        argv = (sys.executable, "-m", "unioneyes.simulators.members", "--url", url or stack.service_url, "--issuer-url", stack.issuer_url)
        process = subprocess.Popen(
            [*argv, "--rate", str(rate), "--decisions", str(DECISIONS), "--small", str(SMALL), "--warm", "--report", report],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=handed_on(),
        )
        members = Members(process=process, report=report)
        try:
            members.await_signed_in()
            yield members
        finally:
            if process.poll() is None:
                process.kill()
            process.communicate()


def client_seen(report: LoadReport | None) -> ClientSeen:
    """Return the load program's sums as a rehearsal reads them."""
    if report is None:
        return ClientSeen(sent=0, lost=0, slowest=timedelta(0), p99=timedelta(0), posts_answered=0, versions=(), first_bad_at=None, last_bad_at=None)
    return ClientSeen(
        sent=report.sent,
        lost=report.lost,
        slowest=report.slowest,
        p99=report.p99,
        posts_answered=report.posts_answered,
        versions=tuple(
            Answered(version=seen.version, answers=seen.answers, lost=seen.lost, bad=seen.bad, first_at=seen.first, last_at=seen.last)
            for seen in report.versions
        ),
        first_bad_at=report.first_bad,
        last_bad_at=report.last_bad,
    )
