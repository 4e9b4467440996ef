"""The document's last page under load: pods restarted, made more and fewer, and gone into; nobody loses a request, and the audit log knows who did what."""

from __future__ import annotations

import os
import signal
import subprocess
from collections import Counter
from datetime import datetime

import psycopg
import pytest
from pydantic import TypeAdapter

from tests.drills.kills.scenario import members_at_work
from tests.drills.main_job.main_job import MainJob
from tests.stack import UE, eventually
from unioneyes.environments.local.members import Members
from unioneyes.kernel.problems import ExitCode
from unioneyes.operations.app.status import AppStatus
from unioneyes.ports.pods import Pod
from unioneyes.runbook.audit.entry import Action, AuditEntry, read_entry
from unioneyes.simulators.report import read_exchanges

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

_PODS = TypeAdapter(tuple[Pod, ...])
_STATUS = TypeAdapter(AppStatus)


def pods(job: MainJob) -> tuple[Pod, ...]:
    return _PODS.validate_json(job.stack.ue("app", "pods", "-o", "json").out)


def status(job: MainJob) -> tuple[int, AppStatus]:
    said = job.stack.ue("app", "status", "-o", "json")
    return said.code, _STATUS.validate_json(said.out)


def lost_by(members: Members) -> dict[str, int]:
    """Return how many requests members lost, by what became of them."""
    return dict(Counter(f"{each.method} {each.status or each.error} of {each.version}" for each in read_exchanges(members.report) if each.lost))


def audited(job: MainJob, since: datetime) -> list[AuditEntry]:
    with psycopg.connect(job.parts.control_database_url.get_secret_value()) as connection:
        entries = [read_entry(str(row[0])) for row in connection.execute("SELECT entry FROM ue.audit_entries ORDER BY id")]
    return [entry for entry in entries if entry.at >= since]


def scaled(job: MainJob, count: int) -> None:
    said = job.stack.ue("app", "scale", str(count), "--reason", "a drill", "-o", "json")
    assert said.code == ExitCode.DONE, said.err


def test_under_load_pods_are_restarted_and_made_more_and_fewer_and_no_request_is_lost(serving: MainJob) -> None:
    before = pods(serving)
    assert len(before) == 2
    with members_at_work(serving) as members:
        said = serving.stack.ue("app", "restart", "--reason", "they hold too much memory", "-o", "json")
        assert said.code == ExitCode.DONE, said.err
        assert all(new.since > old.since for new, old in zip(pods(serving), before, strict=True))
        for count in (4, 1, 2):
            scaled(serving, count)
            assert [pod.ready for pod in pods(serving)] == [True] * count
        seen, lost = members.finish(), lost_by(members)
    assert (seen.lost, lost, [each.version for each in seen.versions]) == (0, {}, ["1.1.0"])
    assert seen.sent > 100
    code, now = status(serving)
    assert (code, now.troubles) == (ExitCode.DONE, ())
    requested = [entry for entry in audited(serving, before[0].since) if entry.action == Action.RUN_REQUESTED]
    assert "they hold too much memory" in {entry.reason for entry in requested}


def test_a_worker_that_is_killed_in_the_middle_of_a_restart_is_taken_over_and_each_pod_is_a_new_one(serving: MainJob) -> None:
    before, worker = pods(serving), serving.stack.pid("control")
    with members_at_work(serving) as members:
        run = serving.begin({"reason": "a drill"}, runbook="app.restart")
        assert eventually(lambda: any("is replaced" in str(entry["message"]) for entry in serving.journal(run)), within=60)
        os.kill(worker, signal.SIGKILL)
        said = serving.ended(run, within=400)
        seen, lost = members.finish(), lost_by(members)
    assert said.code == ExitCode.DONE, said.err
    assert (seen.lost, lost) == (0, {})
    assert all(new.since > old.since for new, old in zip(pods(serving), before, strict=True))
    assert status(serving)[1].troubles == ()


def test_what_is_wrong_with_a_pod_is_said_and_what_it_had_logged_is_found(serving: MainJob) -> None:
    name = pods(serving)[0].name
    os.kill(serving.stack.pid(name), signal.SIGKILL)
    assert eventually(lambda: any(pod.restarts and pod.ready for pod in pods(serving)))
    (pod,) = (pod for pod in pods(serving) if pod.name == name)
    assert pod.last_end is not None
    assert pod.last_end.exit_code == 137
    earlier = serving.stack.ue("app", "logs", name, "--previous", "--grep", "serving|killed")
    assert earlier.code == ExitCode.DONE
    assert "INFO serving" in earlier.out
    assert "ended by itself: killed by SIGKILL" in earlier.out
    assert serving.stack.ue("app", "logs", "--grep", "no such line").code == ExitCode.FAILED
    described = serving.stack.ue("app", "describe", name)
    assert "Error, exit code 137" in described.out
    assert serving.stack.ue("app", "restart", "--yes").code == ExitCode.DONE  # whoever comes next finds no pod that was ever killed


def test_what_is_logged_is_followed_until_somebody_has_enough(serving: MainJob) -> None:
    command = [UE, "app", "logs", "-f", "--tail", "1", "--grep", "/api/health", "--home", str(serving.stack.home)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as following:
        assert following.stdout is not None
        try:
            assert serving.stack.environment.service.health().version == "1.1.0"
            assert eventually(lambda: serving.stack.environment.service.health().version == "1.1.0")
            assert "GET /api/health 200" in following.stdout.readline()
        finally:
            following.send_signal(signal.SIGINT)
            _, err = following.communicate(timeout=30)
    assert following.returncode == ExitCode.DETACHED, err


def test_who_goes_into_a_pod_says_why_and_the_audit_log_knows_it_before_they_are_in(serving: MainJob) -> None:
    since = pods(serving)[0].since
    command = [UE, "app", "shell", "--reason", "count the open files", "--home", str(serving.stack.home)]
    done = subprocess.run(command, input="echo $CLAIMS_VERSION; exit 7\n", capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (7, "1.1.0\n"), done.stderr
    opened = [entry for entry in audited(serving, since) if entry.action == Action.SHELL_OPENED]
    assert [(entry.reason, entry.data["pod"], entry.data["terminal"]) for entry in opened] == [("count the open files", pods(serving)[0].name, False)]
    refused = serving.stack.ue("app", "shell")
    assert refused.code == ExitCode.USAGE
    assert "without saying why" in refused.err


def test_a_stopped_line_holds_neither_and_whoever_holds_the_service_holds_both(serving: MainJob) -> None:
    assert serving.stack.ue("freeze", "start", "--reason", "payments fail").code == ExitCode.DONE
    try:
        scaled(serving, 3)
        scaled(serving, 2)
    finally:
        assert serving.stack.ue("freeze", "end", "--reason", "they work").code == ExitCode.DONE
    run = serving.started("1.0.0", "--migrate", "--bake", "10m")
    serving.wait_for_step(run, "watch_release")
    try:
        for words in (("restart",), ("scale", "3")):
            refused = serving.stack.ue("app", *words)
            assert refused.code == ExitCode.REFUSED
            assert run in refused.err
    finally:
        serving.stack.ue("run", "cancel", run, "--reason", "a drill")
        assert serving.ended(run).code == ExitCode.FAILED
    assert serving.serving().version == "1.1.0"


@pytest.mark.parametrize(("words", "code"), [(("scale", "0"), 2), (("scale",), 2), (("scale", "--auto"), 3), (("restart", "--colour", "nowhere"), 2)])
def test_what_makes_no_sense_changes_nothing(serving: MainJob, words: tuple[str, ...], code: int) -> None:
    before = pods(serving)
    assert serving.stack.ue("app", *words).code == code
    assert [(pod.name, pod.since) for pod in pods(serving)] == [(pod.name, pod.since) for pod in before]


def test_pods_that_can_not_get_ready_are_taken_back_and_those_that_served_serve_on(serving: MainJob) -> None:
    before = pods(serving)
    blocked = serving.stack.layout.sockets / f"{before[0].colour}-4.sock"
    blocked.mkdir()
    try:
        with members_at_work(serving) as members:
            said = serving.stack.ue("app", "scale", "4", "-o", "json")
            seen, lost = members.finish(), lost_by(members)
    finally:
        blocked.rmdir()
    assert said.code == ExitCode.UNDONE, said.err
    assert f"{before[0].colour}-4 ended by itself" in said.err
    assert (seen.lost, lost) == (0, {})
    assert [(pod.name, pod.since) for pod in pods(serving)] == [(pod.name, pod.since) for pod in before]
    code, now = status(serving)
    assert (code, now.troubles) == (ExitCode.DONE, ())
