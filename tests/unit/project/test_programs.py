"""The Makefile and the programs behind it: documented, honest, and quick to refuse."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from importlib.metadata import distribution
from pathlib import Path
from types import ModuleType

import pytest


def test_every_target_is_documented(root: Path) -> None:
    makefile = (root / "Makefile").read_text()
    targets = re.findall(r"^([a-z][a-z-]*):(?!=)", makefile, re.MULTILINE)
    assert {"setup", "demo", "test", "lock", "clean"} <= set(targets)
    assert [target for target in targets if not re.search(rf"^{target}:.* ## [A-Z]", makefile, re.MULTILINE)] == []


def test_make_alone_lists_the_targets(root: Path) -> None:
    listed = subprocess.run(["make", "--no-print-directory", "-C", str(root)], capture_output=True, text=True, timeout=30, check=True).stdout
    assert "setup" in listed
    assert "drill-faults" in listed


def test_a_report_is_counted_by_outcome(program: Callable[[str], ModuleType], tmp_path: Path) -> None:
    report = tmp_path / "unit.xml"
    report.write_text('<testsuites><testsuite tests="7" failures="1" errors="1" skipped="2"/></testsuites>')
    assert str(program("tiers").read_counts(report)) == "3 passed, 2 failed, 2 skipped"


def test_a_tier_that_wrote_no_report_has_no_counts(program: Callable[[str], ModuleType], tmp_path: Path) -> None:
    assert program("tiers").read_counts(tmp_path / "absent.xml") is None


def test_a_tier_that_could_not_run_is_never_quiet(program: Callable[[str], ModuleType]) -> None:
    tiers = program("tiers")
    outcomes = (
        tiers.Outcome(tier="unit", state=tiers.State.PASSED, seconds=3.2, counts=tiers.Counts(passed=5)),
        tiers.Outcome(tier="browser", state=tiers.State.NOT_RUN, reason="Chromium is missing"),
    )
    text = tiers.summary(outcomes)
    assert "!! The tier 'browser' DID NOT RUN: Chromium is missing" in text
    assert text.endswith("5 passed, 0 failed, 0 skipped")


def test_a_tier_that_was_left_out_on_request_says_so(program: Callable[[str], ModuleType]) -> None:
    tiers = program("tiers")
    assert tiers.run_tier("browser", browser="no") == tiers.Outcome(tier="browser", state=tiers.State.LEFT_OUT, reason="BROWSER=no")


@pytest.mark.parametrize(
    ("name", "licence", "acceptable"),
    [
        ("a", "MIT", True),
        ("a", "Apache-2.0 OR BSD-3-Clause", True),
        ("a", "Mozilla Public License 2.0 (MPL 2.0)", True),
        ("a", "GPL-3.0-only", False),
        ("a", "GNU Affero General Public License v3", False),
        ("a", "AGPL-3.0-only", False),
        ("a", "LGPL-3.0-only", False),
        ("psycopg", "LGPL-3.0-only", True),
        ("a", "", False),
    ],
)
def test_a_licence_is_accepted_by_what_it_asks_for(program: Callable[[str], ModuleType], name: str, licence: str, *, acceptable: bool) -> None:
    assert program("licences").acceptable(name, licence) is acceptable


def test_a_packages_own_statement_is_read(program: Callable[[str], ModuleType]) -> None:
    assert program("licences").statement(distribution("psycopg")) == "LGPL-3.0-only"
