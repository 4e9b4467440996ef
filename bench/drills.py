"""What a campaign of drills came to, a line each, from the report that pytest wrote: `python bench/drills.py REPORT.xml`."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from measured import table


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """One drill that was run."""

    file: str
    name: str
    """With its parameters."""
    outcome: str
    seconds: float


def drills(report: Path) -> tuple[Drill, ...]:
    """Return the drills that the report tells of, by file."""
    cases = ET.parse(report).iter("testcase")  # noqa: S314 - pytest wrote it a moment ago
    found = (
        Drill(
            file=drills_of(case),
            name=case.get("name", "").removeprefix("test_").replace("_", " "),
            outcome=outcome(case),
            seconds=float(case.get("time", "0")),
        )
        for case in cases
    )
    return tuple(sorted(found, key=lambda drill: (drill.file, drill.name)))


def page(found: tuple[Drill, ...]) -> str:
    """Return a line for each, and their sum."""
    rows = [(drill.outcome, drill.file, drill.name, f"{drill.seconds:.0f} s") for drill in found]
    passed = sum(drill.outcome == "passed" for drill in found)
    return f"{table(('outcome', 'drills', 'what was drilled', 'took'), rows, left=3)}\n\n{passed} of {len(found)} passed"


def drills_of(case: ET.Element) -> str:
    """Return the file under `tests/drills` in which the drill stands: `rollback/test_restore`."""
    return case.get("classname", "").removeprefix("tests.drills.").replace(".", "/")


def outcome(case: ET.Element) -> str:
    """Return how it ended: `passed`, `FAILED` or `skipped`."""
    bad = {child.tag for child in case}
    return "FAILED" if bad & {"failure", "error"} else "skipped" if "skipped" in bad else "passed"


def main() -> None:
    """Print the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("report", type=Path)
    print(page(drills(parser.parse_args().report)))


if __name__ == "__main__":
    main()
