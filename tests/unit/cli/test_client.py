"""The client of the API, and following a run, against a server that does as it is told."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from unioneyes.cli.client import Api, ClearText, NoAddress, NoToken, NotOurServer, ServerUnavailable, TwoServers, login_name
from unioneyes.cli.follow import exit_code, follow
from unioneyes.cli.options import Where
from unioneyes.cli.screens import PlainLines
from unioneyes.environments.local.ports import Ports, keep_ports
from unioneyes.environments.local.secrets import keep_secrets
from unioneyes.kernel.access import require_name
from unioneyes.kernel.problems import ExitCode, Problem, Refused, ReportedProblem, Unavailable
from unioneyes.kernel.status import RunStatus
from unioneyes.ports.releases import Release
from unioneyes.runbook.views import RunView
from unioneyes.simulators.serving import served

RUN = "deployment-20260209-143000-k7m2q"
AT = datetime(2026, 2, 9, 14, 30, tzinfo=UTC)


def run_document(status: RunStatus) -> dict[str, JsonValue]:
    return {
        "api": "v1",
        "id": RUN,
        "runbook": "deployment.start",
        "summary": "deploy 1.1.0 to green",
        "status": status.value,
        "requested_by": "engineer",
        "created_at": AT.isoformat(),
        "started_at": AT.isoformat(),
        "ended_at": AT.isoformat() if status.ended else None,
        "step": None,
        "choices": [],
        "worker": None,
        "parent": None,
        "request": {},
        "plan_hash": "",
        "result": None,
        "problem": None,
    }


def entry(seq: int, kind: str, step: str | None = None, run_id: str = RUN) -> dict[str, JsonValue]:
    return {"seq": seq, "run_id": run_id, "at": AT.isoformat(), "kind": kind, "step": step, "message": f"line {seq}", "data": {}}


@dataclass
class Script:
    """What the server answers: the journal page by page, then nothing new; the run's state last."""

    pages: list[list[dict[str, JsonValue]] | Unavailable] = field(default_factory=list)
    ends_as: RunStatus = RunStatus.DONE
    asked: list[Request] = field(default_factory=list)

    async def releases(self, request: Request) -> Response:
        self.asked.append(request)
        return JSONResponse([{"version": "1.0.0", "fault": None, "migration": None, "schema": "0000_initial", "note": "", "since a later release": 1}])

    async def start(self, request: Request) -> Response:
        self.asked.append(request)
        problem = Refused(what="held by another run", remedy=f"ue run watch {RUN}")
        return JSONResponse(problem.document(), 409, media_type="application/problem+json")

    async def strange(self, request: Request) -> Response:
        del request
        return Response("<h1>Bad gateway</h1>", 502)

    async def run(self, request: Request) -> Response:
        del request
        return JSONResponse(run_document(self.ends_as if not self.pages else RunStatus.RUNNING))

    async def journal(self, request: Request) -> Response:
        self.asked.append(request)
        page = self.pages.pop(0) if self.pages else []
        if isinstance(page, Unavailable):
            return JSONResponse(page.document(), 503, media_type="application/problem+json")
        return JSONResponse(page)

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/api/v1/releases", self.releases),
                Route("/api/v1/runs", self.start, methods=["POST"]),
                Route("/api/v1/strange", self.strange),
                Route("/api/v1/runs/{run_id}", self.run),
                Route("/api/v1/runs/{run_id}/journal", self.journal),
            ]
        )


@contextmanager
def home_of(port: int) -> Iterator[Where]:
    """Give an environment whose server listens on `port`."""
    with tempfile.TemporaryDirectory(prefix="ue-", dir="/tmp") as folder:
        home = Path(folder)
        (home / "secrets").mkdir()
        keep_secrets(home / "secrets")
        keep_ports(home / "ports.json", Ports(control=port))
        yield Where(home=home)


@contextmanager
def api_of(script: Script) -> Iterator[Api]:
    with served(lambda _: script.app()) as url, home_of(int(url.rpartition(":")[2])) as where, closing(Api(where)) as api:
        yield api


def test_an_answer_is_a_value_and_the_document_as_it_came() -> None:
    script = Script()
    with api_of(script) as api:
        answer = api.get("releases", tuple[Release, ...], {"limit": 3, "before": None})
    assert answer.value == (Release(version="1.0.0", fault=None, migration=None, schema="0000_initial"),)
    assert "since a later release" in json.dumps(answer.document)
    (asked,) = script.asked
    assert asked.headers["authorization"].startswith("Bearer ue_")
    assert str(asked.query_params) == "limit=3"


def test_a_problem_of_the_server_arrives_as_that_problem() -> None:
    with api_of(Script()) as api, pytest.raises(ReportedProblem) as raised:
        api.start("deployment.start", {"version": "1.1.0"})
    assert raised.value.document()["exit_code"] == ExitCode.REFUSED
    assert raised.value.what == "held by another run"


def test_something_else_that_answers_is_not_taken_for_the_server() -> None:
    with api_of(Script()) as api, pytest.raises(NotOurServer, match="502"):
        api.get("strange", Release)


def test_a_server_that_is_away_is_a_problem_with_its_remedy() -> None:
    with home_of(9) as where, closing(Api(where)) as api, pytest.raises(ServerUnavailable, match="ue env up --home"):
        api.run(RUN)


def test_an_address_and_a_token_are_all_that_a_person_without_the_folder_needs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "nothing"))
    monkeypatch.setenv("UE_TOKEN", "ue_jane")
    script = Script()
    with served(lambda _: script.app()) as url:
        monkeypatch.setenv("UE_URL", f"{url}/")
        with closing(Api(Where())) as api:
            api.get("releases", tuple[Release, ...])
    (asked,) = script.asked
    assert asked.headers["authorization"] == "Bearer ue_jane"


@pytest.mark.parametrize(
    ("url", "token", "where", "problem"),
    [
        ("http://127.0.0.1:8180", "", Where(), NoToken),
        ("127.0.0.1:8180", "ue_jane", Where(), NoAddress),
        ("http://", "ue_jane", Where(), NoAddress),
        ("http://127.0.0.1:8180", "ue_jane", Where(home=Path("/srv/other")), TwoServers),
        ("http+unix://", "ue_jane", Where(), NoAddress),
        ("http+unix://run/ue.sock", "ue_jane", Where(), NoAddress),
        ("ftp://127.0.0.1", "ue_jane", Where(), NoAddress),
        ("http://ops.example.org:8180", "ue_jane", Where(), ClearText),
        ("http://10.0.0.1:8180", "ue_jane", Where(), ClearText),
        ("http://127.0.0.1.example.org", "ue_jane", Where(), ClearText),
        ("http://localhost@ops.example.org", "ue_jane", Where(), ClearText),
    ],
)
def test_an_address_that_leaves_something_open_is_refused(monkeypatch: pytest.MonkeyPatch, url: str, token: str, where: Where, problem: type[Problem]) -> None:
    monkeypatch.setenv("UE_URL", url)
    monkeypatch.setenv("UE_TOKEN", token)
    with pytest.raises(problem):
        Api(where)


@pytest.mark.parametrize("url", ["http://localhost:8180", "http://[::1]:8180", "http://127.0.0.9", "https://ops.example.org", "http+unix:///run/ue.sock"])
def test_an_address_that_keeps_the_token_to_itself_is_taken(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("UE_URL", url)
    monkeypatch.setenv("UE_TOKEN", "ue_jane")
    with closing(Api(Where())) as api:
        assert api.url == url


@given(st.text(max_size=80) | st.sampled_from(["root", "DOMAIN\\Jane Doe", "engine", "console", "worker-7", "jane.doe@example.org"]))
def test_every_login_name_is_one_that_the_server_takes(login: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("getpass.getuser", lambda: login)
        assert require_name(login_name())


def test_a_run_is_followed_to_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    script = Script(pages=[[entry(1, "run-started")], [entry(2, "step-started", "smoke_test"), entry(3, "step-done", "smoke_test")], [entry(4, "run-ended")]])
    with api_of(script) as api:
        ended = follow(api, RUN, PlainLines())
    assert ended.value.status is RunStatus.DONE
    assert [request.query_params["after"] for request in script.asked] == ["0", "1", "3"]
    assert capsys.readouterr().err.splitlines() == [
        "2026-02-09T14:30:00.000Z run-started line 1",
        "2026-02-09T14:30:00.000Z step-started smoke_test line 2",
        "2026-02-09T14:30:00.000Z step-done smoke_test line 3",
        "2026-02-09T14:30:00.000Z run-ended line 4",
    ]


def test_the_end_of_a_part_is_not_the_end_of_the_run() -> None:
    script = Script(pages=[[entry(1, "run-ended", run_id=f"{RUN}.1")], [entry(2, "run-ended")]], ends_as=RunStatus.UNDONE)
    with api_of(script) as api:
        assert follow(api, RUN, PlainLines()).value.status is RunStatus.UNDONE
    assert script.pages == []


def test_a_run_that_waits_for_a_person_is_not_followed_further() -> None:
    with api_of(Script(pages=[[entry(1, "parked", "smoke_test")]], ends_as=RunStatus.PARKED)) as api:
        assert exit_code(follow(api, RUN, PlainLines()).value) is ExitCode.PENDING


def test_a_server_that_comes_back_is_followed_on(capsys: pytest.CaptureFixture[str]) -> None:
    away = Unavailable(what="the control plane's own database does not answer", remedy="wait")
    with api_of(Script(pages=[[entry(1, "run-started")], away, away, [entry(2, "run-ended")]])) as api:
        follow(api, RUN, PlainLines())
    told = [line.partition(" ")[2] for line in capsys.readouterr().err.splitlines()]
    assert told == [
        "run-started line 1",
        "note the control plane's own database does not answer; trying again in 250 ms",
        "note the control plane's own database does not answer; trying again in 500 ms",
        "note the server answers again",
        "run-ended line 2",
    ]


@pytest.mark.parametrize("status", RunStatus)
def test_every_state_of_a_run_has_its_exit_code(status: RunStatus) -> None:
    view = RunView(
        id=RUN,
        runbook="",
        summary="",
        status=status,
        requested_by="",
        created_at=AT,
        started_at=None,
        ended_at=None,
        step=None,
        choices=(),
        worker=None,
        parent=None,
        request=None,
        plan_hash="",
        result=None,
        problem=None,
    )
    assert (exit_code(view) is ExitCode.PENDING) is not status.ended
    assert (exit_code(view) is ExitCode.DONE) is (status is RunStatus.DONE)
