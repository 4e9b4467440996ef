"""The service adapter against a small service of the test's own."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Timer

import pytest
import time_machine
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route

from tests.contract.postgres.stopping import stopped_in
from unioneyes.adapters.service import HttpService, SyntheticMember, TokenUnavailable
from unioneyes.ports.service import HealthStatus, ServiceUnavailable, SmokeUnavailable
from unioneyes.ports.traffic import Colour
from unioneyes.simulators.identity import Issuer
from unioneyes.simulators.serving import served

HEALTHY = {
    "status": "healthy",
    "timestamp": "2026-02-09T14:30:00Z",
    "uptime": 61.5,
    "version": "1.1.0",
    "checks": [{"name": "database", "status": "healthy", "responseTime": 1.5, "details": {"pool": 4}}],
}
UNHEALTHY = {**HEALTHY, "status": "unhealthy", "checks": [{"name": "database", "status": "unhealthy", "responseTime": 2000, "error": "gone"}]}


def no_token() -> SecretStr:
    raise TokenUnavailable(what="the issuer gives no token", remedy="look at it")


def service(url: str, *, smoke: tuple[str, ...] = ("smoke",), token: Callable[[], SecretStr] | None = None) -> HttpService:
    return HttpService(public_url=url, preview_urls=dict.fromkeys(Colour, url), probe_path="/api/claims", probe_token=token, smoke_command=smoke)


def answering(answer: Response) -> Starlette:
    return Starlette(routes=[Route("/{path:path}", lambda _: answer)])


@pytest.fixture
def gone() -> str:
    with served(lambda _: answering(PlainTextResponse(""))) as url:
        return url


def echo(request: Request) -> Response:
    """Answer with who asked for what, as a colour behind the preview route would."""
    colour = request.headers.get("x-preview")
    if request.url.path == "/api/health":
        return JSONResponse({**HEALTHY, "version": f"on {colour}"})
    status = {"green": 200, "blue": 500}.get(colour or "", 404)
    version = f"{colour} {request.headers.get('authorization', 'nobody')}"
    return JSONResponse({}, status_code=status, headers={"x-ue-version": version})


@pytest.fixture(scope="module")
def echoing() -> Iterator[str]:
    with served(lambda _: Starlette(routes=[Route("/{path:path}", echo)])) as url:
        yield url


def test_a_health_report_is_read_to_the_letter() -> None:
    with served(lambda _: answering(JSONResponse(HEALTHY))) as url:
        health = service(url).health()
    assert (health.status, health.version, health.uptime) == (HealthStatus.HEALTHY, "1.1.0", timedelta(seconds=61.5))
    assert health.at == datetime(2026, 2, 9, 14, 30, tzinfo=UTC)
    (check,) = health.checks
    assert (check.name, check.status, check.response_time, check.error) == ("database", HealthStatus.HEALTHY, timedelta(milliseconds=1.5), None)


def test_an_unhealthy_report_is_a_result() -> None:
    with served(lambda _: answering(JSONResponse(UNHEALTHY, status_code=503))) as url:
        health = service(url).health()
    assert health.status is HealthStatus.UNHEALTHY
    assert health.checks[0].error == "gone"


@pytest.mark.parametrize(
    "answer",
    [
        PlainTextResponse("no healthy upstream", status_code=503),
        JSONResponse({"status": "maintenance"}, status_code=503),
        PlainTextResponse("", status_code=200),
        JSONResponse(HEALTHY, status_code=503),
        JSONResponse(UNHEALTHY, status_code=200),
        JSONResponse({**HEALTHY, "timestamp": "yesterday"}),
    ],
)
def test_an_answer_that_is_no_coherent_report_is_no_health(answer: Response) -> None:
    with served(lambda _: answering(answer)) as url, pytest.raises(ServiceUnavailable) as problem:
        service(url).health()
    assert problem.value.retryable
    assert "curl" in problem.value.remedy


def test_a_service_that_nobody_reaches_has_no_health(gone: str) -> None:
    with pytest.raises(ServiceUnavailable, match="ConnectError"):
        service(gone).health(Colour.GREEN)


def test_a_colour_is_reached_by_the_preview_header_and_members_way_has_none(echoing: str) -> None:
    assert service(echoing).health(Colour.GREEN).version == "on green"
    assert service(echoing).health().version == "on None"


def test_members_and_previews_have_addresses_of_their_own() -> None:
    previews = {Colour.BLUE: "http://b", Colour.GREEN: "http://g"}
    both = HttpService(public_url="http://a", preview_urls=previews, probe_path="/", probe_token=None, smoke_command=())
    assert (both.url(), both.url(Colour.BLUE), both.url(Colour.GREEN)) == ("http://a", "http://b", "http://g")


def test_a_colour_is_asked_at_its_own_address(echoing: str, gone: str) -> None:
    previews = {Colour.BLUE: gone, Colour.GREEN: echoing}
    apart = HttpService(public_url=gone, preview_urls=previews, probe_path="/api/claims", probe_token=None, smoke_command=())
    assert (apart.probe(Colour.GREEN).ok, apart.probe(Colour.BLUE).ok) == (True, False)
    assert apart.health(Colour.GREEN).version == "on green"
    assert echoing in apart.describe_smoke(Colour.GREEN)[0]
    assert gone in apart.describe_smoke(Colour.BLUE)[0]


def test_a_probe_tells_status_version_and_who_asked(echoing: str) -> None:
    probe = service(echoing, token=lambda: SecretStr("abc")).probe(Colour.GREEN)
    assert (probe.ok, probe.status, probe.version) == (True, 200, "green Bearer abc")
    assert probe.took > timedelta(0)


def test_a_server_error_is_a_failed_probe(echoing: str) -> None:
    probe = service(echoing).probe(Colour.BLUE)
    assert (probe.ok, probe.status) == (False, 500)


def test_a_probe_without_an_answer_is_a_failed_probe(gone: str) -> None:
    probe = service(gone).probe(Colour.BLUE)
    assert (probe.ok, probe.status, probe.version) == (False, None, None)


def test_an_issuer_that_is_down_is_not_held_against_the_service(echoing: str) -> None:
    probe = service(echoing, token=no_token).probe(Colour.GREEN)
    assert (probe.ok, probe.version) == (True, "green nobody")


def smoke_program(folder: Path, body: str) -> tuple[str, ...]:
    path = folder / "smoke.py"
    path.write_text(f"import json, sys, time, subprocess\n{body}\n")
    return (sys.executable, str(path))


def report(*, ok: bool) -> str:
    checks = [{"name": "sign in", "ok": True, "took_ms": 12.5, "detail": ""}, {"name": "see it", "ok": ok, "took_ms": 3, "detail": "" if ok else "missing"}]
    return json.dumps({"url": "u", "version": "1.1.0", "checks": checks, "took_ms": 20})


def test_smoke_tests_that_pass_are_a_report(tmp_path: Path) -> None:
    smoke = smoke_program(tmp_path, f"print({report(ok=True)!r})")
    result = service("http://127.0.0.1:1", smoke=smoke).smoke(within=timedelta(seconds=20))
    assert result.passed
    assert (result.version, result.took, result.checks[0].took) == ("1.1.0", timedelta(milliseconds=20), timedelta(milliseconds=12.5))


def test_smoke_tests_that_fail_are_a_report_too(tmp_path: Path) -> None:
    smoke = smoke_program(tmp_path, f"print({report(ok=False)!r}); sys.exit(1)")
    result = service("http://127.0.0.1:1", smoke=smoke).smoke(within=timedelta(seconds=20))
    assert [check.name for check in result.failures] == ["see it"]


def test_smoke_tests_are_told_the_address_and_the_colour(tmp_path: Path, echoing: str) -> None:
    smoke = smoke_program(tmp_path, "print(json.dumps({'url': '|'.join(sys.argv[1:]), 'version': None, 'checks': [], 'took_ms': 0})); sys.exit(1)")
    at = service(echoing, smoke=smoke)
    assert at.smoke(via=Colour.GREEN, within=timedelta(seconds=20)).url == f"--url|{echoing}|--header|x-preview: green"
    assert at.smoke(url="http://b", within=timedelta(seconds=20)).url == "--url|http://b"
    assert at.describe_smoke(Colour.GREEN)[0].endswith(f"smoke.py --url {echoing} --header 'x-preview: green'")


def test_smoke_tests_begin_when_there_is_a_way_to_the_colour(gone: str) -> None:
    opened: list[ThreadingHTTPServer] = []

    def open_way() -> None:
        opened.append(ThreadingHTTPServer(("127.0.0.1", int(gone.rpartition(":")[2])), BaseHTTPRequestHandler))
        opened[0].serve_forever()

    opening = Timer(0.5, open_way)
    opening.start()
    try:
        said = service(gone, smoke=()).smoke(via=Colour.GREEN, within=timedelta(seconds=20))
        assert "answers 501 without a health report" in said.checks[0].detail
    finally:
        opened[0].shutdown()
        opening.join()
        opened[0].server_close()


def test_a_colour_to_which_no_way_leads_fails_its_smoke_tests(gone: str) -> None:
    said = service(gone, smoke=()).smoke(via=Colour.GREEN, within=timedelta(seconds=1))
    assert (said.passed, "ConnectError" in said.checks[0].detail) == (False, True)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("print('Bearer abcdefghijklmnop', file=sys.stderr); sys.exit(2)", "exit code 2"),
        ("print('no report')", "no report"),
        (f"print({report(ok=True)!r}); sys.exit(1)", "contradicts"),
        (f"print({report(ok=False)!r})", "contradicts"),
        ("print(json.dumps({'url': 'u', 'version': None, 'checks': [], 'took_ms': 0}))", "contradicts"),
    ],
)
def test_smoke_tests_that_prove_nothing_are_unavailable_not_passed(tmp_path: Path, body: str, says: str) -> None:
    with pytest.raises(SmokeUnavailable, match=says) as problem:
        service("http://a", smoke=smoke_program(tmp_path, body)).smoke(within=timedelta(seconds=20))
    assert "abcdefghijklmnop" not in str(problem.value)
    assert "ue deploy smoke" in problem.value.remedy


def test_smoke_tests_that_hang_are_ended_with_all_that_they_started(tmp_path: Path) -> None:
    smoke = smoke_program(tmp_path, f"child = subprocess.Popen(['sleep', '600']); open({str(tmp_path / 'pid')!r}, 'w').write(str(child.pid)); child.wait()")
    with pytest.raises(SmokeUnavailable, match="not done within 2"):
        service("http://a", smoke=smoke).smoke(within=timedelta(seconds=2))
    state = Path("/proc", (tmp_path / "pid").read_text(), "stat")
    while state.exists() and ") Z " not in state.read_text():
        time.sleep(0.01)


def test_smoke_tests_end_when_their_run_must_stop(tmp_path: Path) -> None:
    began = tmp_path / "began"
    smoke = smoke_program(tmp_path, f"open({str(began)!r}, 'w').close(); subprocess.run(['sleep', '600'])")
    stopped_in(lambda: service("http://a", smoke=smoke).smoke(within=timedelta(minutes=2)), when=began.exists)


def test_smoke_tests_that_do_not_exist_are_unavailable(tmp_path: Path) -> None:
    with pytest.raises(SmokeUnavailable, match="can't be started"):
        service("http://a", smoke=(str(tmp_path / "gone"),)).smoke(within=timedelta(seconds=1))


def test_where_there_are_no_smoke_tests_the_health_report_has_to_do(echoing: str, gone: str) -> None:
    passed = service(echoing, smoke=()).smoke(via=Colour.GREEN, within=timedelta(seconds=5))
    elsewhere = service(gone, smoke=()).smoke(url=echoing, within=timedelta(seconds=5))
    failed = service(gone, smoke=()).smoke(within=timedelta(seconds=5))
    with served(lambda _: answering(JSONResponse(UNHEALTHY, status_code=503))) as url:
        sick = service(url, smoke=()).smoke(within=timedelta(seconds=5))

    assert (passed.passed, passed.version, elsewhere.passed, failed.passed, sick.passed) == (True, "on green", True, False, False)
    assert "no answer" in failed.checks[0].detail
    assert service(echoing, smoke=()).describe_smoke(Colour.GREEN) == (f"curl -H 'x-preview: green' {echoing}/api/health",)


def issuing(folder: Path) -> Callable[[str], Starlette]:
    return lambda url: Starlette(routes=[Mount("/identity", routes=Issuer.open(folder, url=f"{url}/identity").routes())])


def test_a_synthetic_members_token_is_kept_until_shortly_before_it_ends(tmp_path: Path) -> None:
    with served(issuing(tmp_path)) as url, time_machine.travel(datetime(2026, 2, 9, 14, 30, tzinfo=UTC), tick=False) as clock:
        member = SyntheticMember(issuer_url=f"{url}/identity")
        first = member().get_secret_value()
        clock.shift(timedelta(minutes=54))
        assert member().get_secret_value() == first
        clock.shift(timedelta(minutes=2))
        assert member().get_secret_value() != first


def test_an_issuer_that_gives_no_token_is_unavailable(gone: str) -> None:
    with pytest.raises(TokenUnavailable, match="ConnectError"):
        SyntheticMember(issuer_url=gone)()


@pytest.mark.parametrize("answer", [JSONResponse({"token": 5}), PlainTextResponse("token"), JSONResponse({}, status_code=500)])
def test_an_issuer_that_answers_something_else_is_unavailable(answer: Response) -> None:
    posting = Starlette(routes=[Route("/token", lambda _: answer, methods=["POST"])])
    with served(lambda _: posting) as url, pytest.raises(TokenUnavailable):
        SyntheticMember(issuer_url=url)()


@pytest.mark.parametrize(
    ("status", "says"), [(200, HealthStatus.HEALTHY), (204, HealthStatus.HEALTHY), (404, HealthStatus.UNHEALTHY), (503, HealthStatus.UNHEALTHY)]
)
def test_of_a_service_that_makes_no_report_the_status_counts_and_its_version_is_what_stands_there(status: int, says: HealthStatus) -> None:
    with served(lambda _: answering(PlainTextResponse("whatever", status_code=status))) as url:
        plain = replace(service(url), health_path="/ready", stands=lambda via: "2.1.0" if via is Colour.GREEN else None)
        health = plain.health(Colour.GREEN)
        assert (health.status, health.version) == (says, "2.1.0")
        assert plain.health().version == "unknown"


def test_a_service_without_smoke_tests_and_reports_passes_by_its_health_path_as_the_version_that_stands_there() -> None:
    with served(lambda _: answering(PlainTextResponse(""))) as url:
        report = replace(service(url, smoke=()), stands=lambda _via: "2.1.0").smoke(via=Colour.GREEN, within=timedelta(seconds=5))
    assert (report.passed, report.version) == (True, "2.1.0")
