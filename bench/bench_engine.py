"""What a step and a run of ten steps cost in our engine, beside DBOS alone, on which it stands, and beside Prefect.

Ours and DBOS share one PostgreSQL, each with a database of its own; Prefect has its server and SQLite, as it comes. The three take turns, so that a busy
machine slows all of them. A step does nothing but return a number. What ours adds to DBOS's record of it: the journal's two lines, the look at both fences,
at the service's lock and at the line, and a thread that can be left behind. A run is measured from the worker's taking it to its end being kept, by DBOS's
own account of both; Prefect's, by its caller's clock. Of those at once, from the first one's being asked for to the last one's end, by their number.

    .venv/bin/python bench/bench_engine.py [--rounds 9] [--runs 12] [--prefect-runs 2]

It ends non-zero when a step costs more beside DBOS's than promised, when a run is not so much faster than Prefect's as promised, and, as `not measured`,
when Prefect can't be had.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from sqlalchemy import make_url

from measured import Promise, conclude, ratio, table
from peers import NotMeasured
from prefect_server import prefect_python, prefect_server, prefect_version
from servers import running_postgres
from ten_steps import STEPS, Answer, Side, argv_of, side

OVERHEAD = 1.3
"""Figure to reach of the design: "engine cost per step: <= 1.3x raw DBOS"."""
FASTER = 20
"""The same: ">= 20x Prefect per run"."""
AT_ONCE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one way took, round by round."""

    alone: list[Answer] = field(default_factory=list)
    beside: list[Answer] = field(default_factory=list)
    """Eight at once."""
    runs_beside: int

    def figures(self) -> dict[str, list[float]]:
        """Return each figure's seconds, round by round."""
        return {
            "a step": [each.steps for each in self.alone],
            f"a step, {AT_ONCE} runs at once": [each.steps for each in self.beside],
            f"a run of {STEPS}": [each.run for each in self.alone],
            f"a run of {STEPS}, {AT_ONCE} at once": [each.whole / self.runs_beside for each in self.beside],
        }


def main() -> int:
    """Measure, print, and say whether the promises hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--runs", type=int, default=12, help="of ours and of DBOS's in each round, one after the other; twice as many at once (%(default)s)")
    parser.add_argument("--prefect-runs", type=int, default=2, help="of Prefect's, one after the other (%(default)s)")
    asked = parser.parse_args()
    try:
        prefect_python()
        with running_postgres() as (url, folder), ExitStack() as closing:
            sides = begin(url, folder, closing)
            runs = {way: asked.prefect_runs if way == "prefect" else asked.runs for way in sides}
            measured = {way: Measured(runs_beside=max(AT_ONCE, 2 * runs[way])) for way in sides}
            for number in range(asked.rounds):
                for way, told in sides.items():
                    measured[way].alone.append(told.do(runs[way], at_once=1))
                    measured[way].beside.append(told.do(measured[way].runs_beside, at_once=AT_ONCE))
                print(f"round {number + 1}: {', '.join(f'{way} {each.alone[-1].steps * 1000:.2f} ms a step' for way, each in measured.items())}", flush=True)
    except NotMeasured as missing:
        print(f"not measured: {missing}", file=sys.stderr)
        return 1
    return report(measured)


def begin(url: str, folder: Path, closing: ExitStack) -> dict[str, Side]:
    """Return the three, ready. Raises: NotMeasured."""
    names = ("ours", "dbos")
    with psycopg.connect(url, autocommit=True) as admin:
        for name in names:
            admin.execute(f"CREATE DATABASE {name}".encode())
    of = {name: make_url(url).set(database=name).render_as_string(hide_password=False) for name in names}
    environ = closing.enter_context(prefect_server(folder))
    prefect = (str(prefect_python()), str(Path(__file__).with_name("ten_steps_prefect.py")))
    return {
        **{name: closing.enter_context(side(argv_of(name, of[name]))) for name in names},
        "prefect": closing.enter_context(side(prefect, environ)),
    }


def report(measured: dict[str, Measured]) -> int:
    """Print and keep what was measured; return the exit code."""
    ours, dbos, prefect = (measured[way].figures() for way in ("ours", "dbos", "prefect"))
    rows = [
        (what, *(f"{statistics.median(each[what]) * 1000:.2f} ms" for each in (ours, dbos, prefect)), beside(ours, dbos, what), beside(prefect, ours, what))
        for what in ours
    ]
    whole = table(("what", "ours", "DBOS alone", "Prefect", "ours beside DBOS", "Prefect beside ours"), rows)
    steps = [what for what in ours if what.startswith("a step")]
    runs = [what for what in ours if what.startswith("a run")]
    promises = (
        *(
            Promise(what=f"{what}, beside DBOS", measured=beside(ours, dbos, what), promise=f"<= {OVERHEAD}x", kept=times(ours, dbos, what) <= OVERHEAD)
            for what in steps
        ),
        *(
            Promise(
                what=f"{what}, Prefect beside ours", measured=beside(prefect, ours, what), promise=f">= {FASTER}x", kept=times(prefect, ours, what) >= FASTER
            )
            for what in runs
        ),
    )
    text = f"{len(measured['ours'].alone)} rounds, medians; Prefect {prefect_version()}\n\n{whole}"
    return conclude("engine", title="What the engine costs beside DBOS alone, and beside Prefect", text=text, promises=promises)


def times(one: dict[str, list[float]], other: dict[str, list[float]], what: str) -> float:
    """Return how many times the other the one is, at the median of the rounds."""
    return statistics.median(mine / theirs for mine, theirs in zip(one[what], other[what], strict=True))


def beside(one: dict[str, list[float]], other: dict[str, list[float]], what: str) -> str:
    """Return the same as it is shown."""
    return ratio(times(one, other, what), 1)


if __name__ == "__main__":
    sys.exit(main())
