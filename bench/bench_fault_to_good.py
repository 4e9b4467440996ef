"""How long members suffer from a faulty release: from the first bad answer that a client outside gets to the last, again and again.

Each faulty release that reaches the members is rolled out by `ue rehearse faults`' own machinery, under its load: fifty requests a second, a fifth of them
POSTs, half on new connections, none tried again. Bad is an answer that nobody intended, none at all, or one that took longer than 2 s.

    .venv/bin/python bench/bench_fault_to_good.py [--runs 30] [--within MINUTES]

A run takes about twenty seconds. `--within` begins no round after so many minutes, and Ctrl-C ends it: what was measured until then is kept, with its
count. It ends non-zero when a promise is broken, as with fewer than thirty runs of each fault.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from measured import Promise, conclude, seconds, table
from unioneyes.cli.rehearse import RATE, roll_out_fault, stage_with_good_release
from unioneyes.operations.rehearsal.model import FaultSeen, Score
from unioneyes.simulators.report import percentile

REACH_MEMBERS = ("1.2.0-errors", "1.2.0-slow", "1.2.0-sick", "1.2.0-route", "1.2.0-tenant")
"""Of the others no member gets a bad answer: `make drill-faults`."""
FEWEST_RUNS = 30
P50_WITHIN, P99_WITHIN = timedelta(seconds=10), timedelta(seconds=30)
"""Figures to reach of the design: "fault injected -> good version serving again"."""


def main() -> int:
    """Roll all of them out, print every time, and say whether the promise holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=FEWEST_RUNS, help="of each fault (%(default)s)")
    parser.add_argument("--within", type=float, help="minutes after which no round begins any more")
    arguments = parser.parse_args()
    seen: dict[str, list[FaultSeen]] = {version: [] for version in REACH_MEMBERS}
    with suppress(KeyboardInterrupt):  # what was measured until then is kept
        measure(seen, runs=arguments.runs, within=timedelta.max if arguments.within is None else timedelta(minutes=arguments.within))
    return conclude("fault-to-good", title="From fault to good, again and again", text=page(seen), promises=promises(seen))


def measure(seen: Mapping[str, list[FaultSeen]], *, runs: int, within: timedelta) -> None:
    """Each fault has been rolled out `runs` times, in turns, or as often as there was time for; `seen` says what each did, as soon as it is known."""
    give_up = time.monotonic() + within.total_seconds()
    with TemporaryDirectory(prefix="ue-bench-", dir="/tmp") as folder, stage_with_good_release("faults", Path(folder) / "home", keep=False) as stage:
        for number in range(1, runs + 1):
            if time.monotonic() > give_up:
                return
            for version, found in seen.items():
                found.append(roll_out_fault(stage, version))
                print(f"round {number} of {runs}, {version}: {told(found[-1])}", flush=True)


def promises(seen: Mapping[str, Sequence[FaultSeen]]) -> tuple[Promise, ...]:
    """Return what was promised of the time from fault to good."""
    everything = [one for found in seen.values() for one in found]
    stopped = sum(one.score is Score.KEPT for one in everything)
    fewest = min(len(found) for found in seen.values())
    return (
        Promise(what="runs of each fault", measured=str(fewest), promise=f">= {FEWEST_RUNS}", kept=fewest >= FEWEST_RUNS),
        Promise(what="taken back, nobody else's request lost", measured=f"{stopped} of {len(everything)}", promise="all", kept=stopped == len(everything) > 0),
        *(promise for version, found in seen.items() for promise in _within(version, found)),
    )


def _within(version: str, found: Sequence[FaultSeen]) -> tuple[Promise, ...]:
    times, what = measured_times(found)
    return tuple(
        Promise(
            what=f"{version}, {what}, {name}",
            measured=seconds(timedelta(seconds=percentile(times, share))) if times else "not measured",
            promise=f"<= {limit.total_seconds():.0f} s",
            kept=bool(times) and percentile(times, share) <= limit.total_seconds(),
        )
        for name, share, limit in (("p50", 0.50, P50_WITHIN), ("p99", 0.99, P99_WITHIN))
    )


def measured_times(found: Sequence[FaultSeen]) -> tuple[list[float], str]:
    """Return the seconds from first to last bad answer, ascending; of a fault whose answers mostly stay good, those that members were on it. And which."""
    bad = sorted(one.fault_to_good.total_seconds() for one in found if one.fault_to_good is not None)
    if 2 * len(bad) >= len(found):
        return bad, "first to last bad answer"
    return exposures(found), "first to last answer of it"


def exposures(found: Sequence[FaultSeen]) -> list[float]:
    """Return for how many seconds members were on the faulty release, ascending."""
    return sorted(one.exposed.total_seconds() for one in found if one.exposed is not None)


def page(seen: Mapping[str, Sequence[FaultSeen]]) -> str:
    """Return the sums of each fault, and every single time."""
    columns = ("release", "runs", "taken back", "bad answers", "bad p50", "bad p99", "bad longest", "on it p50", "on it p99", "lost elsewhere")
    rows = []
    for version, found in seen.items():
        bad = sorted(one.fault_to_good.total_seconds() for one in found if one.fault_to_good is not None)
        rows.append(
            (
                version,
                str(len(found)),
                str(sum(one.ends_as == "undone" for one in found)),
                f"{sum(one.bad for one in found):,} of {sum(one.answers for one in found):,}",
                *(f"{percentile(bad, share):.1f} s" if bad else "none" for share in (0.50, 0.99, 1.0)),
                *(f"{percentile(exposures(found), share):.1f} s" for share in (0.50, 0.99)),
                str(sum(one.lost_elsewhere for one in found)),
            )
        )
    every = "\n".join(f"{version}: {' '.join(f'{time:.1f}' for time in measured_times(found)[0])}" for version, found in seen.items())
    explained = f"bad: first to last bad answer; on it: first to last answer of the faulty release; {RATE:.0f} requests a second, none tried again"
    return f"{table(columns, rows)}\n\n{explained}\n\nevery time, in seconds, ascending (on it where none was bad):\n{every}"


def told(seen: FaultSeen) -> str:
    """Return one run in a few words."""
    bad = f"{seconds(seen.fault_to_good)} from first to last of {seen.bad} bad answers" if seen.fault_to_good is not None else "no bad answer"
    return f"{bad}, {seconds(seen.exposed) if seen.exposed is not None else 'never'} on it, {seen.ends_as} by {seen.caught_by}"


if __name__ == "__main__":
    sys.exit(main())
