"""The members' load on a running stack, as a client outside: a program of its own that never retries."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from unioneyes.environments.local.stack import open_stack
from unioneyes.kernel.problems import Problem
from unioneyes.operations.rehearsal.model import Answered, ClientSeen
from unioneyes.simulators.report import LoadReport, read_report

ENDS_WITHIN = timedelta(seconds=30)
"""Fifteen seconds for the answers under way, and some for the sum."""


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
        _, err = self.process.communicate(timeout=ENDS_WITHIN.total_seconds())
        if self.process.returncode:
            raise LoadFailed(what=f"the members' load ended with {self.process.returncode}: {err.decode().strip()[-300:]}", remedy="ue env status")
        return self.seen()


@contextmanager
def run_members(home: Path, *, rate: float, url: str | None = None) -> Iterator[Members]:
    """Members work on the stack in `home`, `rate` requests a second, until `finish` or the end of the block; through `url` where another proxy stands there."""
    stack = open_stack(home)
    with TemporaryDirectory(prefix="ue-members-") as folder:
        report = Path(folder) / "members.jsonl"
        argv = (sys.executable, "-m", "unioneyes.simulators.members", "--url", url or stack.service_url, "--issuer-url", stack.issuer_url)
        process = subprocess.Popen(
            [*argv, "--rate", str(rate), "--decisions", str(DECISIONS), "--small", str(SMALL), "--warm", "--report", report],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        try:
            yield Members(process=process, report=report)
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
