"""Which boundaries each scenario passes when nobody disturbs it, as recorded: so it is known without a stack what is disturbed where.

Each twin is held to its record. Where a flow has changed, `make campaign DRILLS=kills` leaves the new records in `.cache/kills/passes/`.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tests.drills.kills.boundaries import Boundary
from tests.drills.kills.scenario import Scenario

KEPT = Path(__file__).parents[3] / ".cache" / "kills"
"""One page for each scenario and disturbance: two of them are run at the same time."""
RECORDS = Path(__file__).with_name("passes")


def passed(scenario: Scenario) -> tuple[Boundary, ...]:
    """Return the boundaries that the scenario passes, in their order; nothing where that was never recorded."""
    record = RECORDS / f"{scenario.page}.txt"
    return tuple(Boundary.read(line) for line in record.read_text(encoding="utf-8").splitlines()) if record.exists() else ()


def keep_passed(scenario: Scenario, found: Iterable[Boundary]) -> None:
    """What a twin passed can be looked at, and recorded."""
    page = KEPT / "passes" / f"{scenario.page}.txt"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text("".join(f"{boundary}\n" for boundary in found), encoding="utf-8")
