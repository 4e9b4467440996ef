"""Which runbooks passed their drills, with which code: `python bench/drilled.py REPORT.xml` brings docs/measured/drills.json up to date by pytest's report.

A runbook is drilled when a drill carried it out and passed, and none in which it was begun failed. The same code that passes the same drills once more changes
nothing, so that a test leaves the work tree as it is.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

from drills import drills_of, outcome
from measured import COMMIT, ROOT
from unioneyes.runbook.freshness import Drilled, read_drills, written

RECORD = ROOT / "docs" / "measured" / "drills.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One runbook in one drill."""

    runbook: str
    code: str
    drill: str
    carried_out: bool
    failed: bool


def seen(report: Path) -> Iterator[Seen]:
    """Yield what the report tells of each drill's runbooks."""
    for case in ET.parse(report).iter("testcase"):  # noqa: S314 - pytest wrote it a moment ago
        how = outcome(case)
        drill = f"{drills_of(case)}::{case.get('name', '')}"
        for told in case.iter("property"):
            if told.get("name") in {"carried-out", "begun"} and how != "skipped":
                runbook, _, code = told.get("value", "").partition(" ")
                yield Seen(runbook=runbook, code=code, drill=drill, carried_out=told.get("name") == "carried-out", failed=how == "FAILED")


def merged(before: Mapping[str, Drilled], found: tuple[Seen, ...], *, on: date, commit: str) -> dict[str, Drilled]:
    """Return what is drilled now: with what was found of each runbook, and what was known of it before."""
    drilled = dict(before)
    for runbook, code in dict.fromkeys((each.runbook, each.code) for each in found):
        known = before.get(runbook)
        same = known if known is not None and known.code == code else None
        mine = [each for each in found if (each.runbook, each.code) == (runbook, code)]
        passed = {each.drill for each in mine if each.carried_out}
        if any(each.failed for each in mine):
            if same is not None:
                del drilled[runbook]
        elif passed - set(same.drills if same else ()):
            drills = tuple(sorted(passed | set(same.drills if same else ())))
            drilled[runbook] = Drilled(on=on, commit=commit, code=code, drills=drills)
    return drilled


def main() -> None:
    """The record is up to date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("report", type=Path)
    before = read_drills(RECORD)
    now = merged(before, tuple(seen(parser.parse_args().report)), on=datetime.now(UTC).date(), commit=COMMIT)
    if now != before:
        RECORD.write_text(written(now), encoding="utf-8")
        print(f"recorded: {RECORD}")


if __name__ == "__main__":
    main()
