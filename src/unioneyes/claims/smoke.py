"""Walk through the service's critical flows: `python -m unioneyes.claims.smoke --url URL --issuer-url URL [--header 'x-preview: green'] [--expect-version V]`.

One JSON object on stdout. Exit code 0: every flow passed; 1: one failed; 2: they could not be run, and stderr says why.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from enum import IntEnum

import httpx

from unioneyes.claims.flows import FLOWS, OUTSIDER, STEWARD, FlowFailed, Person, Walk
from unioneyes.kernel.problems import BadInput, Problem, Unavailable

_REQUEST_TIMEOUT = timedelta(seconds=2)


class Exit(IntEnum):
    """What the shell is told."""

    PASSED = 0
    FAILED = 1
    NOT_RUN = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One flow's result."""

    name: str
    ok: bool
    took_ms: float
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What is printed."""

    url: str
    version: str | None
    checks: tuple[Check, ...]
    took_ms: float


class IssuerUnavailable(Unavailable):
    """No session token was to be had."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Walk, print the report, and return the exit code."""
    asked = _parser().parse_args(arguments)
    try:
        headers = dict(_header(text) for text in asked.header)
        steward, outsider = _token(asked.issuer_url, STEWARD), _token(asked.issuer_url, OUTSIDER)
    except Problem as problem:
        print(problem, file=sys.stderr)  # noqa: T201 - the command line's contract
        return Exit.NOT_RUN
    with httpx.Client(base_url=asked.url, headers=headers, timeout=_REQUEST_TIMEOUT.total_seconds(), trust_env=False) as client:
        report = walk_through(Walk(client=client, steward=steward, outsider=outsider, expected_version=asked.expect_version), url=asked.url)
    print(json.dumps(asdict(report)))  # noqa: T201 - the command line's contract
    return Exit.PASSED if all(check.ok for check in report.checks) else Exit.FAILED


def walk_through(walk: Walk, *, url: str) -> Report:
    """Return how each flow went; one that fails stops none."""
    started = time.perf_counter()
    checks = tuple(_check(name, flow, walk) for name, flow in FLOWS)
    return Report(url=url, version=walk.version, checks=checks, took_ms=_ms_since(started))


def _check(name: str, flow: Callable[[Walk], None], walk: Walk) -> Check:
    started = time.perf_counter()
    try:
        flow(walk)
    except FlowFailed as failure:
        return Check(name=name, ok=False, took_ms=_ms_since(started), detail=str(failure))
    except httpx.TimeoutException:
        return Check(name=name, ok=False, took_ms=_ms_since(started), detail=f"no answer in {_REQUEST_TIMEOUT.total_seconds():g} s")
    except httpx.HTTPError as error:
        return Check(name=name, ok=False, took_ms=_ms_since(started), detail=f"no answer: {type(error).__name__} {error}".strip())
    return Check(name=name, ok=True, took_ms=_ms_since(started), detail="")


def _token(issuer_url: str, person: Person) -> str:
    try:
        answer = httpx.post(f"{issuer_url}/token", json=dict(person), timeout=_REQUEST_TIMEOUT.total_seconds(), trust_env=False)
        return str(answer.raise_for_status().json()["token"])
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError) as error:
        raise IssuerUnavailable(
            what=f"{issuer_url} gives no session token: {type(error).__name__}", remedy="start the issuer, or check --issuer-url"
        ) from error


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise BadInput(what=f"{text!r} is no header", remedy="write it as 'x-preview: green'")
    return name.strip(), value.strip()


def _ms_since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m unioneyes.claims.smoke", description="Walk through the service's critical flows.")
    parser.add_argument("--url", required=True, help="address of the service")
    parser.add_argument("--issuer-url", required=True, help="address of the issuer of session tokens")
    parser.add_argument("--header", action="append", default=[], help="sent with each request; 'x-preview: green' picks a colour")
    parser.add_argument("--expect-version", help="the version that must answer")
    return parser


if __name__ == "__main__":
    sys.exit(main())
