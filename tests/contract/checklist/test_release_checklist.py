"""The checklist's contract on real git and a real HTTP server."""

from __future__ import annotations

import os
import shutil
import subprocess
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from unioneyes.adapters.git import ReleaseChecklist
from unioneyes.environments.policy import read_freezes
from unioneyes.kernel.calendar import Window
from unioneyes.kernel.clock import now
from unioneyes.ports.checklist import GateState
from unioneyes.simulators.serving import served


def git(folder: Path, *arguments: str) -> None:
    if shutil.which("git") is None:
        pytest.skip("git is not installed; the gate is not applicable then, which a test of its own shows")
    identity = {"GIT_AUTHOR_NAME": "Member One", "GIT_AUTHOR_EMAIL": "member-1@example.org"}
    identity |= {"GIT_COMMITTER_NAME": "Member One", "GIT_COMMITTER_EMAIL": "member-1@example.org", "GIT_CONFIG_GLOBAL": os.devnull}
    subprocess.run(("git", "-C", str(folder), *arguments), check=True, capture_output=True, env={**os.environ, **identity}, timeout=20)


def checklist(folder: Path, *, staging_url: str | None = None) -> ReleaseChecklist:
    return ReleaseChecklist(folder=folder, staging_url=staging_url, waivers={"security-sign-off": "local environment"})


@pytest.fixture
def work_tree(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q")
    (tmp_path / "code.py").write_text("one = 1\n")
    git(tmp_path, "add", "code.py")
    git(tmp_path, "commit", "-qm", "Begin")
    return tmp_path


def test_a_tagged_commit_passes_by_its_tag(work_tree: Path) -> None:
    git(work_tree, "tag", "v1.1.0")
    gate = checklist(work_tree).current_version()
    assert (gate.state, gate.detail) == (GateState.PASSED, "v1.1.0")


def test_a_clone_without_tags_passes_by_its_commit(work_tree: Path) -> None:
    gate = checklist(work_tree).current_version()
    assert gate.state is GateState.PASSED
    assert len(gate.detail) >= 7


def test_a_changed_file_fails_the_gate_and_says_how_many(work_tree: Path) -> None:
    (work_tree / "code.py").write_text("one = 2\n")
    gate = checklist(work_tree).current_version()
    assert gate.state is GateState.FAILED
    assert "1 tracked file differs" in gate.detail
    assert gate.remedy


def test_an_incident_report_beside_the_code_does_not_make_the_tree_dirty(work_tree: Path) -> None:
    (work_tree / "2026-02-09-incident.md").write_text("# Incident\n")
    assert checklist(work_tree).current_version().state is GateState.PASSED


def test_a_folder_that_git_does_not_keep_is_not_applicable(tmp_path: Path) -> None:
    gate = checklist(tmp_path).current_version()
    assert gate.state is GateState.NOT_APPLICABLE
    assert "git" in gate.detail


def test_a_folder_that_does_not_exist_is_not_applicable(tmp_path: Path) -> None:
    assert checklist(tmp_path / "gone").current_version().state is GateState.NOT_APPLICABLE


def test_a_repository_without_a_commit_is_not_applicable(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    assert checklist(tmp_path).current_version().state is GateState.NOT_APPLICABLE


def test_a_machine_without_git_is_not_applicable(work_tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(work_tree))
    assert checklist(work_tree).current_version().state is GateState.NOT_APPLICABLE


def test_a_repository_that_git_can_not_read_is_unavailable_and_blocks(work_tree: Path) -> None:
    (work_tree / ".git" / "config").write_text("[broken")
    gate = checklist(work_tree).current_version()
    assert gate.state is GateState.UNAVAILABLE
    assert gate.state.blocks
    assert "git -C" in gate.remedy


def test_an_environment_without_staging_is_unavailable_and_blocks(tmp_path: Path) -> None:
    gate = checklist(tmp_path).staging_health()
    assert (gate.state, gate.detail) == (GateState.UNAVAILABLE, "this environment names no staging")
    assert gate.state.blocks
    assert "environment.toml" in gate.remedy


def staging(answer: Response) -> Starlette:
    return Starlette(routes=[Route("/api/health", lambda _: answer)])


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (JSONResponse({"status": "healthy", "version": "1.1.0"}), GateState.PASSED),
        (JSONResponse({"status": "degraded", "version": "1.1.0"}), GateState.PASSED),
        (JSONResponse({"status": "unhealthy", "version": "1.1.0"}, status_code=503), GateState.FAILED),
        (JSONResponse({"status": "healthy", "version": "1.1.0"}, status_code=500), GateState.FAILED),
        (PlainTextResponse("<html>log in first</html>"), GateState.UNAVAILABLE),
        (JSONResponse({"status": "fine"}), GateState.UNAVAILABLE),
    ],
)
def test_staging_is_believed_by_its_health_report_only(tmp_path: Path, answer: Response, state: GateState) -> None:
    with served(lambda _: staging(answer)) as url:
        assert checklist(tmp_path, staging_url=url).staging_health().state is state


def test_a_staging_that_nobody_reaches_is_unavailable(tmp_path: Path) -> None:
    with served(lambda _: staging(PlainTextResponse(""))) as gone:
        pass
    gate = checklist(tmp_path, staging_url=gone).staging_health()
    assert gate.state is GateState.UNAVAILABLE
    assert gone in gate.remedy


def test_only_a_gate_that_the_policy_names_is_waived(tmp_path: Path) -> None:
    assert checklist(tmp_path).waived("security-sign-off") == "local environment"
    assert checklist(tmp_path).waived("release-contract") is None


def test_a_freeze_of_the_calendar_fails_the_gate_and_says_until_when_and_why(tmp_path: Path) -> None:
    began = now().replace(tzinfo=None) - timedelta(hours=1)
    frozen = Window(name="year-end", reason="the books are closed", time_zone="UTC", starts=began, lasts=timedelta(hours=2))
    gate = ReleaseChecklist(folder=tmp_path, staging_url=None, waivers={}, calendar=lambda: (frozen,)).change_freeze()
    assert gate.state is GateState.FAILED
    assert gate.detail.startswith("year-end, until ")
    assert gate.detail.endswith(": the books are closed")
    assert "ue freeze list" in gate.remedy


def test_without_a_freeze_the_gate_is_open(tmp_path: Path) -> None:
    over = Window(name="past", reason="long ago", time_zone="UTC", starts=datetime.fromisoformat("2020-01-01"), lasts=timedelta(days=1))
    gate = ReleaseChecklist(folder=tmp_path, staging_url=None, waivers={}, calendar=lambda: (over,)).change_freeze()
    assert (gate.name, gate.state) == ("change-freeze", GateState.PASSED)


def test_the_calendar_is_read_anew_whenever_it_is_asked_and_one_that_can_t_be_read_opens_nothing(tmp_path: Path) -> None:
    (written := tmp_path / "freezes.yaml").write_text("local: []")
    asked = ReleaseChecklist(folder=tmp_path, staging_url=None, waivers={}, calendar=lambda: read_freezes(written, "local"))
    assert asked.change_freeze().state is GateState.PASSED
    began = f"{now() - timedelta(hours=1):%Y-%m-%dT%H:%M}"
    written.write_text(f"local: [{{name: year-end, reason: closing, time_zone: UTC, starts: '{began}', lasts: 2h}}]")
    assert asked.change_freeze().state is GateState.FAILED
    assert [window.name for window in asked.freezes()] == ["year-end"]
    written.write_text("local: [")
    assert asked.change_freeze().state is GateState.UNAVAILABLE
