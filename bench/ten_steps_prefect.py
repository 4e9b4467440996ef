"""Ten steps by Prefect, as its own pages say it is used. Runs by the interpreter of Prefect's own environment; see `ten_steps.py` for what it answers."""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from prefect import flow, task  # type: ignore[import-not-found]  # stands in an environment of its own

STEPS = 10
_in_steps: list[float] = []


@task  # type: ignore[untyped-decorator]  # the same
def stand(number: int) -> dict[str, int]:
    """The number stands."""
    return {"number": number}


@flow  # type: ignore[untyped-decorator]  # the same
def ten() -> None:
    """Take ten steps."""
    began = time.perf_counter()
    for number in range(STEPS):
        stand(number)
    _in_steps.append(time.perf_counter() - began)


def _one(_: int) -> float:
    began = time.perf_counter()
    ten()
    return time.perf_counter() - began


def main() -> None:
    """Do as many runs as each line says, and tell what they took."""
    for line in sys.stdin:
        runs, at_once = map(int, line.split())
        _in_steps.clear()
        began = time.perf_counter()
        with ThreadPoolExecutor(at_once) as threads:
            spans = sorted(threads.map(_one, range(runs)))
        whole = time.perf_counter() - began
        print(json.dumps({"steps": sorted(_in_steps)[runs // 2] / STEPS, "run": spans[runs // 2], "whole": whole}), flush=True)


if __name__ == "__main__":
    main()
