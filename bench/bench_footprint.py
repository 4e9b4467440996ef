"""What the stack takes: memory and processor time of each of its processes, idle and under load, and what `ue --help` costs beside a bare interpreter.

Memory is the proportional set size (PSS): what processes share is counted once, shared out among them. A process's children count as its own.

    .venv/bin/python bench/bench_footprint.py [--seconds 30] [--rate 100]

It ends non-zero when the control plane takes more than promised while idle, or `ue --help` more than four times a bare interpreter.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from measured import Promise, conclude, milliseconds, ratio, table
from unioneyes.cli.rehearse import stage_with_good_release
from unioneyes.environments.local.members import run_members
from unioneyes.environments.local.status import stack_status

UE = Path(sys.executable).with_name("ue")
CONTROL_PLANE = ("control", "supervisor")
"""What is ours: the server of `ue` with its worker, and the supervisor. The rest is what is operated, and what stands for vendors."""
WITH_DATABASE = (*CONTROL_PLANE, "postgres-control")
"""Ours, and the PostgreSQL server that it needs. In production that is one that is there anyway; peers' figures leave theirs out as well."""
IDLE_MEMORY = 150 * 1024.0
"""KiB. Figure to reach of the design: "control plane memory, idle"."""
HELP_RATIO = 4.0
"""Source: the same table, "`ue --help`, CPU"."""
SETTLE = timedelta(seconds=10)
"""After a deployment, before it counts as idle."""
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What one process and its children take."""

    pss: float
    """KiB."""
    cpu: float
    """Share of one core, 0-1, over the time."""


def main() -> int:
    """Measure all, print it, and say whether the promises hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30, help="idle, and under load (%(default)s)")
    parser.add_argument("--rate", type=float, default=100, help="requests a second (%(default)s)")
    parser.add_argument("--starts", type=int, default=30, help="of `ue --help` and of a bare interpreter, in turns (%(default)s)")
    arguments = parser.parse_args()
    commands = {"python -c pass": (sys.executable, "-c", "pass"), "ue --help": (str(UE), "--help"), "ue --version": (str(UE), "--version")}
    started = starts(commands, arguments.starts)
    with TemporaryDirectory(prefix="ue-bench-", dir="/tmp") as folder:
        home = Path(folder) / "home"
        with stage_with_good_release("footprint", home, keep=False):
            time.sleep(SETTLE.total_seconds())
            idle = measure(home, arguments.seconds)
            with run_members(home, rate=arguments.rate) as members:
                time.sleep(2)
                loaded = measure(home, arguments.seconds)
                seen = members.finish()
    text = f"{page(idle, loaded, rate=arguments.rate)}\n\n{seen.sent:,} requests, {seen.lost} lost\n\n{starts_page(started)}"
    return conclude("footprint", title="What the stack takes", text=text, promises=promises(idle, started))


def promises(idle: Mapping[str, Taken], started: Mapping[str, timedelta]) -> tuple[Promise, ...]:
    """Return what was promised."""
    ours = sum(idle[name].pss for name in CONTROL_PLANE)
    bare, help_ = started["python -c pass"], started["ue --help"]
    return (
        Promise(
            what=f"memory of the control plane, idle ({', '.join(CONTROL_PLANE)})",
            measured=_mib(ours),
            promise=f"<= {_mib(IDLE_MEMORY)}",
            kept=ours <= IDLE_MEMORY,
        ),
        Promise(
            what="`ue --help`, beside a bare interpreter", measured=ratio(help_ / bare, 1), promise=f"<= {HELP_RATIO:.0f}x", kept=help_ <= HELP_RATIO * bare
        ),
    )


def page(idle: Mapping[str, Taken], loaded: Mapping[str, Taken], *, rate: float) -> str:
    """Return every process, ours first, and the sums."""
    names = [*WITH_DATABASE, *sorted(idle.keys() - set(WITH_DATABASE))]
    parts = {"control plane": CONTROL_PLANE, "control plane and its database": WITH_DATABASE, "everything": names}
    rows = [(name, *_cells(idle[name]), *_cells(loaded[name])) for name in names]
    sums = [(what, *_cells(_sum(idle, of)), *_cells(_sum(loaded, of))) for what, of in parts.items()]
    load = f"{rate:.0f} requests/s"
    return table(("process", "memory idle", "cpu idle", f"memory at {load}", f"cpu at {load}"), [*rows, *sums])


def starts_page(started: Mapping[str, timedelta]) -> str:
    """Return what each start costs, beside the bare interpreter."""
    bare = started["python -c pass"]
    return table(("start", "cpu, median", "ratio"), [(what, milliseconds(took), ratio(took / bare, 1)) for what, took in started.items()])


def measure(home: Path, lasts: float) -> dict[str, Taken]:
    """Return what each process of the stack takes, by name: memory at the end, processor time over `lasts` seconds."""
    pids = {process.name: process.pid for process in stack_status(home).processes if process.pid is not None}
    known = frozenset(pids.values())  # the supervisor has started all others: they are not its own
    began, before = time.monotonic(), {name: _cpu(family(pid, without=known)) for name, pid in pids.items()}
    time.sleep(lasts)
    took = time.monotonic() - began
    families = {name: family(pid, without=known) for name, pid in pids.items()}
    return {name: Taken(pss=sum(pss(each) for each in pids), cpu=(_cpu(pids) - before[name]) / took) for name, pids in families.items()}


def family(pid: int, *, without: frozenset[int]) -> list[int]:
    """Return the process and everything that it started, but for those of `without` and what they started."""
    found = [pid]
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                if int(child) not in without:
                    found += family(int(child), without=without)
    return found


def starts(commands: Mapping[str, Sequence[str]], times: int) -> dict[str, timedelta]:
    """Return the median processor time, user and system, of each command; run in turns, so that a busy moment hits all alike."""
    took: dict[str, list[float]] = {what: [] for what in commands}
    for _ in range(times + 1):
        for what, argv in commands.items():
            process = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            assert process.returncode == 0, what
            took[what].append(usage.ru_utime + usage.ru_stime)
    return {what: timedelta(seconds=statistics.median(each[1:])) for what, each in took.items()}  # the first one fills caches


def pss(pid: int) -> float:
    """Return the memory of one process, in KiB; what it shares with others is counted in part. 0 where there is none."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return float(line.split()[1])
    return 0.0


def _cpu(pids: Sequence[int]) -> float:
    """Return the seconds of processor time that they have taken so far, those of children that have ended included."""
    total = 0.0
    for pid in pids:
        with suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += sum(int(field) for field in fields[11:15]) / _TICKS
    return total


def _sum(taken: Mapping[str, Taken], names: Sequence[str]) -> Taken:
    return Taken(pss=sum(taken[name].pss for name in names), cpu=sum(taken[name].cpu for name in names))


def _cells(taken: Taken) -> tuple[str, str]:
    return _mib(taken.pss), f"{taken.cpu:.1%}".replace("%", " %")


def _mib(kib: float) -> str:
    return f"{kib / 1024:.1f} MiB"


if __name__ == "__main__":
    sys.exit(main())
