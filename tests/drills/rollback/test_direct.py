"""Break-glass: the members go back although the control plane is gone, and when it is back, it knows, and sends nobody forward again."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic import JsonValue, TypeAdapter

from tests.drills.main_job.main_job import MainJob
from tests.stack import UE, eventually
from unioneyes.environments.local.members import run_members
from unioneyes.environments.local.parts import build_supervisor
from unioneyes.ports.runs import RolledBack
from unioneyes.ports.traffic import Weights
from unioneyes.runbook.direct.folder import DirectFolder

pytestmark = pytest.mark.timeout(600)  # a stack, deployments, and a control plane that comes back, beside other work
RATE = 30.0
WHY = ("--reason", "members see errors, and the control plane is gone")
DIRECT = ("rollback", "traffic", "--direct", *WHY)
_ROWS = TypeAdapter(list[dict[str, JsonValue]])


@pytest.fixture
def watched(job: MainJob) -> tuple[MainJob, str]:
    """1.0.0 has got the members from 1.1.0 a moment ago, which is still warm; the run is in its watch."""
    job.ensure_serving("1.1.0")
    run = job.started("1.0.0", "--bake", "10m")
    job.wait_for_step(run, "watch_release")
    return job, run


@contextmanager
def gone(job: MainJob, *processes: str) -> Iterator[None]:
    """These processes are gone for good in the block, and are there again afterwards."""
    build_supervisor(job.stack.layout).stop(*processes)
    try:
        yield
    finally:
        started = job.stack.start()
        assert started.code == 0, started.err


def open_journals(job: MainJob) -> tuple[Path, ...]:
    return DirectFolder(job.stack.layout.break_glass).open_journals()


def entries(job: MainJob, run: str) -> list[dict[str, JsonValue]]:
    """Return what the audit log says of the run, oldest first."""
    said = job.stack.ue("audit", "list", "--run", run, "--limit", "100", "-o", "json")
    assert said.code == 0, said.err
    return [TypeAdapter(dict[str, JsonValue]).validate_python(row["entry"]) for row in reversed(_ROWS.validate_json(said.out))]


def sealed(job: MainJob, run: str) -> bool:
    """Whether every entry of the run has its place in the tree."""
    rows = _ROWS.validate_json(job.stack.ue("audit", "list", "--run", run, "--limit", "100", "-o", "json").out)
    return bool(rows) and all(row["index"] is not None for row in rows)


@pytest.mark.parametrize(
    "away",
    [
        pytest.param(("control", "postgres-control"), id="server-and-database"),
        pytest.param(("postgres-control",), id="database-only", marks=pytest.mark.campaign),
    ],
)
def test_the_members_go_back_without_the_control_plane_and_stay_there_when_it_is_back(watched: tuple[MainJob, str], away: tuple[str, ...]) -> None:
    job, deployment = watched
    told = len(job.announced())
    alive = job.stack.ue(*DIRECT)
    rehearsed = job.stack.ue(*DIRECT, "--dry-run", "-o", "json")
    with run_members(job.stack.home, rate=RATE) as members:
        with gone(job, *away):
            normal = job.stack.ue("rollback", "traffic", *WHY)
            plan = job.stack.ue(*DIRECT, "--dry-run")
            said = job.stack.ue(*DIRECT, "-o", "json")
            without = job.serving()
            waiting = open_journals(job)
        ended = job.ended(deployment)
        run = str(job.run(said)["id"])
        assert eventually(lambda: not open_journals(job) and sealed(job, run))
        after = job.serving()
        seen = members.finish()

    assert (alive.code, rehearsed.code) == (3, 3), alive.err
    assert "answers, and so does its database" in alive.err
    assert "ue rollback traffic" in alive.err
    assert (normal.code, "--direct --reason" in normal.err) == (1, True), normal.err
    assert plan.code == 0, plan.err
    assert "shift_traffic_back" in plan.out
    assert "Nothing was changed" in plan.out
    assert said.code == 0, said.err
    done = TypeAdapter(RolledBack).validate_python(job.result(said))
    assert (done.version, done.colour) == ("1.1.0", without.colour)
    assert (without.version, without.idle_version) == ("1.1.0", None)
    assert [path.stem for path in waiting] == [run]
    assert waiting[0].parent.joinpath(f"{run}.jsonl.imported").stat().st_mode & 0o777 == 0o600

    assert seen.lost == 0
    assert after == without, "the run that came back moved the members"
    assert job.run(ended)["status"] == "superseded", ended.err
    assert run in ended.err
    assert "FAILED - ROLLED BACK" in job.stack.ue("deploy", "list").out
    assert job.shown(run)["status"] == "done"
    assert [line["kind"] for line in job.journal(run)][-1] == "run-ended"

    kept = entries(job, run)
    assert {entry["action"] for entry in kept} == {"break-glass"}
    assert {entry["origin"] for entry in kept} == {"local-journal"}
    assert kept[0]["reason"] == WHY[1]
    assert [TypeAdapter(dict[str, JsonValue]).validate_python(entry["data"])["entry"] for entry in kept] == [f"{run}/{n}" for n in range(1, len(kept) + 1)]
    assert job.stack.ue("audit", "verify").code == 0
    assert any(entry["action"] == "run-superseded" for entry in entries(job, deployment))

    messages = job.announced()
    assert len(messages) == told + 1
    assert "1.0.0" in str(messages[-1])
    report = Path(done.incident).read_text()
    assert "shift_traffic_back" in report
    assert WHY[1] in report


@pytest.mark.campaign
def test_a_killed_one_is_gone_on_with_and_a_second_person_waits_outside(watched: tuple[MainJob, str]) -> None:
    job, deployment = watched
    before = job.stack.environment.traffic.view().weights
    with gone(job, "control", "postgres-control"), job.chat(mode="down"):
        with job.routes_held():
            first = subprocess.Popen([UE, *DIRECT, "--home", str(job.stack.home)], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            assert eventually(lambda: any("shift_traffic_back" in path.read_text() for path in open_journals(job)))
            second = job.stack.ue(*DIRECT)
            os.kill(first.pid, signal.SIGKILL)
            first.wait()
            between = job.stack.environment.traffic.view().weights
        again = job.stack.ue(*DIRECT, within=120)
        (journal,) = open_journals(job)
    job.ended(deployment)

    assert second.code == 3, second.err
    assert "break-glass is under way by" in second.err
    assert between == before
    assert again.code == 0, again.err
    assert "going on with" in again.err
    assert journal.stem in again.out
    assert "1.1.0 on" in again.out
    assert "not announced" in again.out
    assert "503" in again.out
    assert job.stack.environment.traffic.view().weights == Weights.all_to(before.live.other if before.live else None)
    kinds = [TypeAdapter(dict[str, JsonValue]).validate_python(entry["data"])["kind"] for entry in entries(job, journal.stem)]
    assert kinds.count("run-started") == kinds.count("taken-over") == kinds.count("run-ended") == 1


def test_without_a_warm_release_nothing_is_changed(job: MainJob) -> None:
    job.ensure_serving("1.1.0")
    with gone(job, "control", "postgres-control"):
        said = job.stack.ue(*DIRECT)
        assert open_journals(job) == ()
    assert said.code == 3, said.err
    assert "has no ready replica" in said.err
