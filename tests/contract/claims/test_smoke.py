from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from pydantic import JsonValue

from tests.contract.claims.conftest import Database, Identities, Replicas, free_port
from unioneyes.claims.flows import FLOWS
from unioneyes.claims.smoke import Exit


@dataclass(frozen=True, slots=True, kw_only=True)
class Walked:
    """What one run of the smoke tests told."""

    code: int
    report: dict[str, JsonValue]
    errors: str

    @property
    def failed(self) -> dict[str, str]:
        checks = self.report["checks"]
        assert isinstance(checks, list)
        return {str(check["name"]): str(check["detail"]) for check in checks if isinstance(check, dict) and not check["ok"]}


def walk(url: str, issuer: str, *more: str) -> Walked:
    argv = [sys.executable, "-m", "unioneyes.claims.smoke", "--url", url, "--issuer-url", issuer, *more]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in done.stderr
    return Walked(code=done.returncode, report=json.loads(done.stdout or "{}"), errors=done.stderr)


Start = Callable[[str], str]


@pytest.fixture
def start(replicas: Replicas, database: Database) -> Start:
    """Starts a replica on a port, and returns its address."""

    return lambda version: replicas.start(version, database, listen=f"127.0.0.1:{free_port()}").url


def test_every_flow_passes_on_an_honest_release_and_is_reported_in_one_object(start: Start, identities: Identities) -> None:
    url = start("1.1.0")
    walked = walk(url, identities.url, "--expect-version", "1.1.0")
    assert (walked.code, walked.failed) == (Exit.PASSED, {})
    assert (walked.report["url"], walked.report["version"]) == (url, "1.1.0")
    checks = walked.report["checks"]
    assert isinstance(checks, list)
    assert [check["name"] for check in checks if isinstance(check, dict)] == [name for name, _ in FLOWS]
    assert all(isinstance(check, dict) and check.keys() == {"name", "ok", "took_ms", "detail"} for check in checks)


def test_the_wrong_list_is_seen(start: Start, identities: Identities) -> None:
    walked = walk(start("1.2.0-wrong"), identities.url)
    assert (walked.code, walked.failed) == (Exit.FAILED, {"see": "the claim just submitted is not in the list"})


@pytest.mark.parametrize("version", ["1.2.0-errors", "1.2.0-slow", "1.2.0-sick"])
def test_faults_that_need_load_pass_so_that_the_watch_must_find_them(start: Start, identities: Identities, version: str) -> None:
    url = start(version)
    assert [walk(url, identities.url).code for _ in range(2)] == [Exit.PASSED, Exit.PASSED]


def test_another_version_than_expected_fails(start: Start, identities: Identities) -> None:
    walked = walk(start("1.1.0"), identities.url, "--expect-version", "1.0.0")
    assert (walked.code, walked.failed) == (Exit.FAILED, {"version": "1.1.0 answers, not 1.0.0"})


def test_a_service_that_is_away_fails_every_flow_without_a_traceback(identities: Identities) -> None:
    walked = walk(f"http://127.0.0.1:{free_port()}", identities.url)
    assert walked.code == Exit.FAILED
    assert len(walked.failed) == len(FLOWS)
    assert walked.failed["see"] == "not tried: no claim was submitted"


def test_without_an_issuer_the_flows_could_not_be_run(start: Start) -> None:
    walked = walk(start("1.1.0"), f"http://127.0.0.1:{free_port()}")
    assert (walked.code, walked.report) == (Exit.NOT_RUN, {})
    assert "gives no session token" in walked.errors


@pytest.mark.parametrize("more", [("--header", "no header"), ("--no-such-flag",)])
def test_bad_arguments_are_said_to_be_bad(identities: Identities, more: tuple[str, ...]) -> None:
    assert walk("http://127.0.0.1:9", identities.url, *more).code == Exit.NOT_RUN
