"""Runs the tiers it is given, each as its make target, and ends with one table: what ran, how long it took, and what could not run and why.

Exit code 0 when nothing failed and every tier that had to run ran.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from xml.etree import ElementTree as ET

REPORTS = Path(".cache/tests")
NEEDS = {"browser": ".ci/chromium"}
"""Tiers that need something of the system, and the program that provides it or says why it can't."""


class State(StrEnum):
    """How a tier ended."""

    PASSED = "passed"
    FAILED = "FAILED"
    NOT_RUN = "NOT RUN"
    LEFT_OUT = "left out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Tests by outcome."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: Counts) -> Counts:
        """Return the sums."""
        return Counts(passed=self.passed + other.passed, failed=self.failed + other.failed, skipped=self.skipped + other.skipped)

    def __str__(self) -> str:
        """Return the counts as test runners close."""
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one tier."""

    tier: str
    state: State
    seconds: float = 0.0
    counts: Counts | None = None
    """None for a tier that runs no tests of its own, such as lint."""
    reason: str = ""


def read_counts(report: Path) -> Counts | None:
    """Return the tests by outcome that pytest reported; None when it wrote no report."""
    if not report.exists():
        return None
    total = Counts()
    for suite in ET.parse(report).iter("testsuite"):  # noqa: S314 - pytest wrote it a moment ago
        tests, skipped = int(suite.get("tests", "0")), int(suite.get("skipped", "0"))
        failed = int(suite.get("failures", "0")) + int(suite.get("errors", "0"))
        total += Counts(passed=tests - failed - skipped, failed=failed, skipped=skipped)
    return total


def run_tier(tier: str, *, browser: str) -> Outcome:
    """Run one tier to its end."""
    if tier == "browser" and browser == "no":
        return Outcome(tier=tier, state=State.LEFT_OUT, reason="BROWSER=no")
    if tier in NEEDS:
        provided = subprocess.run([NEEDS[tier]], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if provided.returncode:
            said = provided.stdout.strip().splitlines() or [f"{NEEDS[tier]} says no more"]
            return Outcome(tier=tier, state=State.FAILED if browser == "yes" else State.NOT_RUN, reason=said[-1])
    report = REPORTS / f"{tier}.xml"
    report.unlink(missing_ok=True)
    started = time.monotonic()
    ended = subprocess.run(["make", "--no-print-directory", tier], check=False)
    return Outcome(
        tier=tier,
        state=State.FAILED if ended.returncode else State.PASSED,
        seconds=time.monotonic() - started,
        counts=read_counts(report),
    )


def summary(outcomes: tuple[Outcome, ...]) -> str:
    """Return the table, and below it whatever a person must not overlook."""
    table = [f"  {outcome.tier:<12} {outcome.state:<9} {outcome.seconds:>6.0f} s   {outcome.counts or outcome.reason}".rstrip() for outcome in outcomes]
    together = f"  {'all':<12} {'':<9} {sum(outcome.seconds for outcome in outcomes):>6.0f} s"
    missed = [f"\n!! The tier {outcome.tier!r} DID NOT RUN: {outcome.reason}" for outcome in outcomes if outcome.state is State.NOT_RUN]
    counted = [outcome.counts for outcome in outcomes if outcome.counts]
    closing = ["", str(sum(counted, Counts()))] if counted else []
    return "\n".join([*table, together, *missed, *closing])


def main(tiers: tuple[str, ...]) -> int:
    """Run `tiers` in order, all of them even when one fails."""
    REPORTS.mkdir(parents=True, exist_ok=True)
    browser = os.environ.get("BROWSER", "auto")
    outcomes: list[Outcome] = []
    for tier in tiers:
        print(f"\n== {tier}", flush=True)
        outcomes.append(run_tier(tier, browser=browser))
    print(f"\n== summary\n{summary(tuple(outcomes))}", flush=True)
    return 1 if any(outcome.state is State.FAILED for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main(tuple(sys.argv[1:])))
