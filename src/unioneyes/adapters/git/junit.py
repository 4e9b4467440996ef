"""What continuous integration reports of a commit: JUnit's XML, which every test runner writes. Source: https://github.com/testmoapp/junitxml."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from unioneyes.kernel.problems import Unavailable

LARGEST_REPORT = 64 * 1024 * 1024
"""Bytes. Ten thousand tests with all that they print take a tenth of it."""
COMMIT = "commit"
"""The property that names the commit: of the whole report, or of each of its suites."""
_WENT_WRONG = {"failure", "error"}


@dataclass(frozen=True, slots=True, kw_only=True)
class JUnitReport:
    """What a report says."""

    sha256: str
    """Of the file."""
    commits: frozenset[str | None]
    """Every commit that it says it ran on; None among them where a part of it does not say."""
    ran: int
    """Tests that ran, the failed ones among them."""
    skipped: int
    failed: int
    """Failures and errors; of what the suites count themselves and what stands there test by test, the larger."""
    first: str | None
    """The first test that failed."""


def read_report(path: Path) -> JUnitReport:
    """Return what the report says. Raises: ReportUnreadable."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_REPORT + 1)
    except OSError as error:
        raise ReportUnreadable(what=f"{path} can't be read: {error.strerror}", remedy="have continuous integration write its report there") from None
    if len(content) > LARGEST_REPORT:
        raise ReportUnreadable(what=f"{path} is larger than {LARGEST_REPORT // 1024**2} MiB", remedy="leave out of it what the tests print")
    try:
        root = ET.fromstring(content)  # noqa: S314 - expat opens no other file, and bounds what entities grow to
    except (ET.ParseError, ValueError, LookupError) as error:  # the latter two: of an encoding that nobody knows
        raise ReportUnreadable(what=f"{path} is no XML: {error}", remedy="have continuous integration write the whole report anew") from None
    if root.tag not in {"testsuites", "testsuite"}:
        raise ReportUnreadable(what=f"{path} is no report of tests in JUnit's form: it begins with <{root.tag}>", remedy="have the tests write JUnit's XML")
    return _read(root, hashlib.sha256(content).hexdigest())


def _read(root: ET.Element, sha256: str) -> JUnitReport:
    cases = list(root.iter("testcase"))
    failed = [case for case in cases if any(part.tag in _WENT_WRONG for part in case)]
    skipped = [case for case in cases if case.find("skipped") is not None]
    return JUnitReport(
        sha256=sha256,
        commits=frozenset(_commits(root)),
        ran=len(cases) - len(skipped),
        skipped=len(skipped),
        failed=max(len(failed), *(_counted(suite) for suite in (root, *root.iter("testsuite")))),
        first=next((".".join(filter(None, (case.get("classname"), case.get("name")))) for case in failed), None),
    )


def _commits(part: ET.Element) -> Iterator[str | None]:
    """Yield the commit of a part: its own word holds for all that is in it, and where it has none, each suite in it must say, and no test may stand outside."""
    named = [str(each.get("value") or each.text or "").strip().lower() for each in part.findall("properties/property") if each.get("name") == COMMIT]
    suites = part.findall("testsuite")
    if named or not suites or part.find("testcase") is not None:
        yield from named or (None,)
    for suite in suites:
        for commit in _commits(suite):
            if commit is not None or not named:
                yield commit


def _counted(suite: ET.Element) -> int:
    """Return how many a suite says went wrong, also where its tests are not listed. What is no number is none that counts."""
    said = (suite.get(kind, "0").strip() for kind in ("failures", "errors"))
    return sum(int(count) for count in said if count.isdecimal())


class ReportUnreadable(Unavailable):
    """There is no report of tests that anybody could read."""
