"""How long a run stands still when its worker is killed: from `kill -9` to the first line that another worker writes in the same step.

Several workers, each a process of its own, share a PostgreSQL. In each round one run is in a step; the worker that has it is killed, another one takes it
over and begins the step again, and a new worker comes in the dead one's place. No worker is told of the death: they find out.

    .venv/bin/python bench/bench_takeover.py [--workers 3] [--rounds 100]

It ends non-zero when the 99th percentile is above what was promised, or when a run was not carried on.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from threading import Event
from typing import TypeVar

from pydantic import SecretStr

from measured import Promise, conclude, milliseconds, table
from servers import running_postgres
from unioneyes.kernel.redaction import Redactor
from unioneyes.ports.environment import Environment, Facts
from unioneyes.runbook.definition import runbook
from unioneyes.runbook.engine import Engine
from unioneyes.runbook.liveness import GRACE
from unioneyes.runbook.plan import Effect, Plan
from unioneyes.runbook.steps import pause, progress, step

P99 = timedelta(seconds=1)
"""Figure to reach of the design: "takeover after `kill -9` of a worker"."""
WITHIN = 30
"""Seconds after which a run counts as not carried on."""
_LOOK_EVERY = 0.005
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Nothing:
    """What is asked for, and what comes of it."""


@step(effect=Effect.CHANGE, time_limit=timedelta(hours=1))
def stay() -> None:
    """Somebody cancelled the run."""
    progress("at work", pid=os.getpid())
    while True:
        pause(timedelta(milliseconds=50))


@runbook(name="bench.stay", chapter="0. Bench")
class Stay:
    """Be at work until somebody cancels it."""

    def plan(self, env: Environment, request: Nothing) -> Plan:
        """Return the one step."""
        del env, request
        return Plan(summary="stay", steps=(stay.planned(),))

    def run(self, env: Environment, plan: Plan) -> Nothing:
        """Take it."""
        del env, plan
        stay()
        return Nothing()


class NobodyAsked:
    """A checklist by which no run waits for approval."""

    def approvals(self, runbook: str) -> tuple[()]:
        """Return none."""
        del runbook
        return ()


def environment() -> Environment:
    """Return an environment of which the engine uses the facts, and that nobody's approval is needed."""
    bare = object.__new__(Environment)
    none = timedelta(0)
    facts = Facts(name="bench", production=False, service="bench", replicas=1, ready_within=none, database="bench", incidents_channel="#bench", bake=none)
    object.__setattr__(bare, "facts", facts)
    object.__setattr__(bare, "checklist", NobodyAsked())
    return bare


def engine(url: str, *, worker: bool) -> Engine:
    """Return an engine on the server."""
    return Engine(database_url=SecretStr(url), environment=environment(), redactor=Redactor(), worker=worker)


def main() -> int:
    """Measure, print, and say whether the promise holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--work-on", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.work_on:
        return work(asked.work_on)
    with running_postgres() as (url, _), ExitStack() as closing:
        ours = engine(url, worker=False)
        ours.launch()
        closing.callback(ours.close)
        workers = [begin_worker(url) for _ in range(asked.workers)]
        time.sleep(GRACE.total_seconds())  # the server has just started: for so long, nobody is taken for dead
        took = []
        for number in range(asked.rounds):
            took.append(one_round(ours, workers, url))
            print(f"round {number + 1}: {'not carried on' if took[-1] is None else milliseconds(took[-1])}", flush=True)
        for worker in workers:
            worker.terminate()
            worker.wait(30)
    stood = sorted(each for each in took if each is not None)
    at = {f"p{percent}": stood[min(len(stood) - 1, len(stood) * percent // 100)] for percent in (50, 90, 99)} if stood else {}
    text = f"{asked.workers} workers, {len(took)} kills\n\n{table(('stood still', 'for'), [(name, milliseconds(value)) for name, value in at.items()])}"
    promises = (
        Promise(
            what="a killed worker's run is carried on, p99",
            measured=milliseconds(at["p99"]) if at else "-",
            promise=f"<= {milliseconds(P99)}",
            kept=bool(at) and at["p99"] <= P99,
        ),
        Promise(what="runs carried on", measured=str(len(stood)), promise=str(len(took)), kept=len(stood) == len(took)),
    )
    return conclude("takeover", title="How long a run stands still when its worker is killed", text=text, promises=promises)


def one_round(ours: Engine, workers: list[subprocess.Popen[str]], url: str) -> timedelta | None:
    """Return how long a run stood still whose worker was killed; None when nobody carried it on."""
    run = ours.start("bench.stay", {}, by="bench").id
    first = until(lambda: at_work(ours, run))
    if first is None:
        return None
    (victim,) = (worker for worker in workers if worker.pid == first)
    killed = time.monotonic()
    os.kill(victim.pid, signal.SIGKILL)
    second = until(lambda: (pid := at_work(ours, run)) != first and pid)
    took = timedelta(seconds=time.monotonic() - killed)
    victim.wait(10)
    workers[workers.index(victim)] = begin_worker(url)
    ours.cancel(run, by="bench", reason="the round is over")
    until(lambda: ours.run(run).status.ended)
    return took if second else None


def at_work(ours: Engine, run: str) -> int | None:
    """Return the process that is in the run's step; None when none is yet."""
    pids = [entry.data["pid"] for entry in ours.journal(run) if "pid" in entry.data]
    return int(str(pids[-1])) if pids else None


def until(look: Callable[[], T | None]) -> T | None:
    """Return what `look` sees as soon as it sees something; None when that takes too long."""
    give_up = time.monotonic() + WITHIN
    while time.monotonic() < give_up:
        if seen := look():
            return seen
        time.sleep(_LOOK_EVERY)
    return None


def begin_worker(url: str) -> subprocess.Popen[str]:
    """Return a worker that takes runs."""
    worker = subprocess.Popen([sys.executable, __file__, "--work-on", url], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    assert worker.stdout is not None
    assert worker.stdout.readline() == "launched\n"
    return worker


def work(url: str) -> int:
    """Carry runs out until told to end."""
    ended = Event()
    signal.signal(signal.SIGTERM, lambda _signal, _frame: ended.set())
    here = engine(url, worker=True)
    here.launch()
    print("launched", flush=True)
    ended.wait()
    here.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
