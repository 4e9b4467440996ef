"""The same run of ten steps three ways: by our engine, by DBOS alone, and by Prefect. Each is a process of its own that is told how many runs to do.

A step does nothing but return a number, so that what is measured is what keeping it costs.

Prefect's way stands in `ten_steps_prefect.py`, which runs where Prefect is installed. All of them answer alike: for each line `RUNS AT_ONCE` one line of
JSON, as `Answer` reads it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import psycopg
from dbos import DBOS, DBOSConfig
from pydantic import SecretStr

from bench_takeover import environment
from unioneyes.kernel.redaction import Redactor
from unioneyes.ports.environment import Environment
from unioneyes.runbook.definition import runbook
from unioneyes.runbook.engine import Engine
from unioneyes.runbook.plan import Effect, Plan
from unioneyes.runbook.steps import step

STEPS = 10
_QUEUE = "bench"
_AT_ONCE = 8
"""Runs that a worker of ours carries out at the same time; so does DBOS's, then."""
_POLL_SECONDS = 0.1
"""How often a worker of ours looks for runs; so does DBOS's, then."""
_LOOK_SECONDS = 0.02
_WITHIN_SECONDS = 120

_in_steps: list[float] = []
"""Seconds that each run spent from its first step's begin to its last step's end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What some runs took, in seconds."""

    steps: float
    """Of one step, at the median of the runs."""
    run: float
    """Of one run, from the worker's taking it to its end being kept, at the median; Prefect's: from its call to its return."""
    whole: float
    """From the first run's being asked for to the last one's end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the ways, ready to be told."""

    process: subprocess.Popen[str]

    def do(self, runs: int, *, at_once: int) -> Answer:
        """Return what so many runs took. Raises: RuntimeError when the process ended instead."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{runs} {at_once}\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith("{"):
                return Answer(**json.loads(line))
        raise RuntimeError(f"{self.process.args!r} ended")


@contextmanager
def side(argv: Sequence[str], environ: Mapping[str, str] | None = None) -> Iterator[Side]:
    """Give the process that does it one way, warm: it has done a few runs. It ends afterwards."""
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ) as process:
        try:
            told = Side(process=process)
            told.do(3, at_once=1)
            told.do(_AT_ONCE, at_once=_AT_ONCE)
            yield told
        finally:
            process.kill()


def argv_of(way: str, url: str) -> tuple[str, ...]:
    """Return the command that does it by `ours` or by `dbos`, on the database at `url`."""
    return (sys.executable, str(Path(__file__)), way, url)


# Our engine


@dataclass(frozen=True, slots=True, kw_only=True)
class Nothing:
    """What is asked for, and what comes of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stood:
    """What a step comes to."""

    number: int


@step(effect=Effect.CHANGE)
def stand(*, number: int) -> Stood:
    """The number stands."""
    return Stood(number=number)


def _ten() -> Nothing:
    began = time.perf_counter()
    for number in range(STEPS):
        stand(number=number)
    _in_steps.append(time.perf_counter() - began)
    return Nothing()


@runbook(name="bench.alone", chapter="0. Bench")
class Alone:
    """Ten steps by a run that holds the service, so that each looks at its lock and at the line."""

    def plan(self, env: Environment, request: Nothing) -> Plan:
        """Return the ten."""
        del env, request
        return Plan(summary="ten steps", steps=(stand.planned(),) * STEPS)

    def run(self, env: Environment, plan: Plan) -> Nothing:
        """Take them."""
        del env, plan
        return _ten()


@runbook(name="bench.beside", chapter="0. Bench", locks=False)
class Beside(Alone):
    """Ten steps by a run that needs no lock: two that hold one service never run at once."""


def _ours(url: str) -> Callable[[int], str]:
    engine = Engine(database_url=SecretStr(url), environment=environment(), redactor=Redactor())
    engine.launch()
    return lambda at_once: engine.start("bench.alone" if at_once == 1 else "bench.beside", {}, by="bench").id


# DBOS alone, as its own pages say it is used


@DBOS.step()
def stand_alone(number: int) -> dict[str, int]:
    """The number stands."""
    return {"number": number}


@DBOS.workflow()
def ten_alone() -> None:
    """Take ten steps."""
    began = time.perf_counter()
    for number in range(STEPS):
        stand_alone(number)
    _in_steps.append(time.perf_counter() - began)


def _dbos(url: str) -> Callable[[int], str]:
    DBOS(config=DBOSConfig(name="bench", system_database_url=url.replace("postgresql://", "postgresql+psycopg://"), log_level="ERROR"))
    DBOS.launch()
    DBOS.register_queue(_QUEUE, worker_concurrency=_AT_ONCE, polling_interval_sec=_POLL_SECONDS)
    return lambda _at_once: DBOS.enqueue_workflow(_QUEUE, ten_alone).workflow_id


# What both answer


class _Ways(Protocol):
    def __call__(self, url: str) -> Callable[[int], str]: ...


_WAYS: Mapping[str, _Ways] = {"ours": _ours, "dbos": _dbos}
_SPANS = """
SELECT started_at_epoch_ms / 1000.0, completed_at / 1000.0 FROM dbos.workflow_status WHERE workflow_uuid = ANY(%s) AND status = 'SUCCESS'
"""
"""By DBOS's own account, of either."""


def _do(begin: Callable[[int], str], look: psycopg.Connection[tuple[float, float]], *, runs: int, at_once: int) -> Answer:
    _in_steps.clear()
    spans: list[float] = []
    asked = time.time()
    if at_once == 1:
        for _ in range(runs):
            spans += [float(ended) - float(began) for began, ended in _ended(look, [begin(at_once)])]
        whole = time.time() - asked
    else:
        ended_at = _ended(look, [begin(at_once) for _ in range(runs)])
        spans = [float(ended) - float(began) for began, ended in ended_at]
        whole = max(float(ended) for _, ended in ended_at) - asked
    return Answer(steps=_median(_in_steps) / STEPS, run=_median(spans), whole=whole)


def _ended(look: psycopg.Connection[tuple[float, float]], run_ids: list[str]) -> list[tuple[float, float]]:
    give_up = time.monotonic() + _WITHIN_SECONDS
    while len(found := look.execute(_SPANS, (run_ids,)).fetchall()) < len(run_ids):
        if time.monotonic() > give_up:
            raise TimeoutError(f"of {len(run_ids)} runs {len(found)} ended")
        time.sleep(_LOOK_SECONDS)
    return found


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def main() -> None:
    """Do as many runs as each line says, and tell what they took."""
    way, url = sys.argv[1:]
    begin = _WAYS[way](url)
    with psycopg.connect(url, autocommit=True) as look:
        for line in sys.stdin:
            runs, at_once = map(int, line.split())
            answer = _do(begin, look, runs=runs, at_once=at_once)
            print(json.dumps({"steps": answer.steps, "run": answer.run, "whole": answer.whole}), flush=True)


if __name__ == "__main__":
    main()
