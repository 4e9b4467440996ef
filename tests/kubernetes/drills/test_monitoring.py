"""What is seen of the service's pods on a real Kubernetes: by people, and by whoever scrapes. In this order: each begins where the one before ended."""

from __future__ import annotations

import httpx
import pytest
from pydantic import JsonValue, TypeAdapter

from tests.drills.main_job.main_job import MainJob
from tests.stack import eventually
from unioneyes.environments import CLUSTER_TEST, locate
from unioneyes.environments.local.members import run_members
from unioneyes.operations.deployment.status import DeploymentStatus
from unioneyes.ports.pods import OOM_KILLED

pytestmark = pytest.mark.timeout(600)
RATE = 20.0
_STATUS = TypeAdapter(DeploymentStatus)


def status(job: MainJob) -> DeploymentStatus:
    said = job.stack.ue("deploy", "status", "-o", "json")
    assert said.code == 0, said.err
    document: dict[str, JsonValue] = said.json()
    return _STATUS.validate_python({key: value for key, value in document.items() if key in DeploymentStatus.__dataclass_fields__})


def scraped(job: MainJob) -> str:
    """Return what Prometheus gets of the control plane."""
    at = locate(CLUSTER_TEST, job.stack.home)
    return httpx.get(f"{at.url}/metrics", headers={"Authorization": f"Bearer {at.token.get_secret_value()}"}, timeout=20, trust_env=False).text


def test_restarts_cpu_and_memory_are_shown_of_the_colour_that_serves(job: MainJob) -> None:
    job.deployed("1.1.0", "--migrate", "--bake", "1s")

    assert eventually(lambda: status(job).colours[0].memory_share is not None, within=90), "the metrics API says nothing of the pods"
    blue, green = status(job).colours

    assert (blue.ready, blue.restarts, green.restarts, green.memory) == (2, 0, 0, None)
    assert blue.cpu is not None
    assert 0.05 < (blue.memory_share or 0) < 1
    assert "of the limit)" in job.stack.ue("deploy", "status").out


def test_whoever_scrapes_gets_each_pod_and_what_the_service_counted(job: MainJob) -> None:
    with run_members(job.stack.home, rate=RATE) as members:
        members.finish()
    found = scraped(job)

    assert 'ue_pod_ready{colour="blue",pod="unioneyes-web-blue-' in found
    assert 'ue_pod_memory_limit_bytes{colour="blue",pod="unioneyes-web-blue-' in found
    assert 'ue_service_answers{pod="unioneyes-web-blue-' in found
    assert "ue_pods_known 1.0" in found


def test_a_release_that_is_killed_for_its_memory_is_taken_back_and_that_is_named(job: MainJob) -> None:
    with run_members(job.stack.home, rate=RATE * 2) as members:
        said = job.deploy("1.2.0-leak", "--bake", "180s", within=400)
        members.finish()

    assert said.code == 5, said.err
    assert job.result(said)["rolled_back"]
    killed = [end for end in status(job).ended if end.reason == OOM_KILLED]
    assert killed, (job.result(said)["outcome"], status(job).ended)
    assert {(end.version, end.colour.value) for end in killed} == {("1.2.0-leak", "green")}
    assert "(1.2.0-leak) ended by itself: OOMKilled, exit code 137" in job.stack.ue("deploy", "status").out
    assert 'ue_pod_ends_recent{colour="green",reason="OOMKilled",version="1.2.0-leak"}' in scraped(job)
    assert "OOMKilled" in (job.stack.layout.logs / "control.log").read_text()
