"""Bad days of deployments on a real Kubernetes: each ends in a clear state, with its remedy, and members lose nothing.

The control plane reaches the API server through a relay that can be cut. What one adapter alone meets is tried in `tests/kubernetes/adapters`.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import yaml

from tests.drills.kills.boundaries import Boundary, drop_held, held_at, wait_until_held
from tests.drills.main_job.main_job import MainJob
from tests.kubernetes.adapters.relay import Relay, relayed
from tests.kubernetes.cluster.kubectl import KubectlFailed
from tests.kubernetes.cluster.lent import Lent
from tests.kubernetes.drills.waived import WAIVED
from tests.stack import Said, empty_stack, eventually
from unioneyes.environments.local.members import run_members
from unioneyes.kernel.ids import new_id
from unioneyes.ports.traffic import Weights
from unioneyes.runbook.views import EntryKind

pytestmark = pytest.mark.timeout(600)
ROOT = Path(__file__).parents[3]
RATE = 20.0
AWAY_SECONDS = 30
STARTED_WITHIN = 300
NAME = "bad-days"
STEPS = (
    "check_gates",
    "check_world",
    "start_replicas",
    "smoke_test",
    "shift_traffic",
    "drain_old_colour",
    "watch_release",
    "verify_deployment",
    "retire_old_colour",
    "write_receipt",
)
"""Of a deployment without migrations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """An environment on the cluster, and the line between its control plane and the API server."""

    job: MainJob
    relay: Relay
    lent: Lent
    namespace: str

    def type(self, *words: str) -> str:
        """A person types a kubectl command in the namespace."""
        return self.lent.kubectl("--namespace", self.namespace, *words, within=120)

    def deployed(self, version: str) -> None:
        """`version` serves alone, whatever the test before left."""
        now = self.job.serving()
        if now.version != version or now.idle_version is not None:
            self.job.deployed(version, "--bake", "1s")

    def ended(self, run: str) -> Said:
        return self.job.ended(run, within=300)


@pytest.fixture(scope="module")
def day(lent: Lent, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    """1.1.0 serves."""
    assert lent.own, "these drills start databases that pods reach: make test-kubernetes without KUBECONFIG"
    namespace, kubeconfig = new_id("unioneyes-bad").lower(), tmp_path_factory.mktemp("way") / "kubeconfig"
    command = [sys.executable, "-m", "tests.kubernetes.cluster", "serve", "--namespace", namespace]
    done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=STARTED_WITHIN, check=False)
    assert done.returncode == 0, done.stderr
    served = json.loads(done.stdout)
    host, _, port = served["server"].removeprefix("https://").rpartition(":")
    with relayed(host, int(port)) as relay:
        way = yaml.safe_load(Path(served["kubeconfig"]).read_text())
        way["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{relay.port}"
        kubeconfig.write_text(yaml.safe_dump(way))
        served |= {"kubeconfig": str(kubeconfig), "server": f"https://127.0.0.1:{relay.port}"}
        cluster = "\n".join(["[cluster]", "plain_registry = true", *(f"{name} = {json.dumps(value)}" for name, value in served.items()), ""])
        with empty_stack(settings=f"{WAIVED}{cluster}", env=NAME) as stack:
            try:
                started = stack.start(within=STARTED_WITHIN)
                assert started.code == 0, started.err
                job = MainJob(stack=stack)
                job.deployed("1.1.0", "--migrate", "--bake", "1s")
                yield Day(job=job, relay=relay, lent=lent, namespace=namespace)
            finally:
                relay.mend()
                lent.kubectl("delete", "namespace", namespace, "--ignore-not-found", within=180)


@pytest.mark.parametrize("away", [Relay.cut, Relay.hold], ids=["refuses", "hangs"])
def test_an_api_server_that_is_away_in_the_middle_of_a_switch_is_waited_for_and_members_notice_nothing(day: Day, away: Callable[[Relay], None]) -> None:
    day.deployed("1.1.0")
    with run_members(day.job.stack.home, rate=RATE) as members:
        members.await_signed_in()
        run = day.job.begin({"version": "1.0.0", "bake": "PT10S"})
        day.job.reach(run, "shift_traffic")
        away(day.relay)
        time.sleep(AWAY_SECONDS)
        day.relay.mend()
        ended = day.ended(run)
        seen = members.finish()

    assert ended.code in {0, 5}, ended.err  # the switch was made; or it was given up, and all that had been done was undone
    after = day.job.serving()
    assert (after.version, after.idle_version) == (("1.0.0" if ended.code == 0 else "1.1.0"), None)
    assert (seen.lost, seen.sent > 100) == (0, True), seen


def test_what_can_not_be_read_while_the_api_server_is_away_is_named_and_never_shown_as_nothing(day: Day) -> None:
    day.relay.cut()
    try:
        assert eventually(lambda: json.loads(day.job.stack.ue("deploy", "status", "-o", "json").out)["unavailable"], within=60)
        said = day.job.stack.ue("deploy", "status")
        doctor = {each["check"]: each for each in json.loads(day.job.stack.ue("env", "doctor", "-o", "json").out)["findings"]}
    finally:
        day.relay.mend()

    assert said.code == 0, said.err
    assert "no data" in said.out
    assert "can't be reached" in said.out
    assert doctor["cluster"]["health"] == "bad"
    assert eventually(lambda: not json.loads(day.job.stack.ue("deploy", "status", "-o", "json").out)["unavailable"], within=60)


@pytest.mark.parametrize("step", STEPS)
def test_a_worker_that_is_killed_when_it_has_done_a_step_and_not_said_so_is_taken_over_and_nothing_is_lost(day: Day, step: str) -> None:
    day.deployed("1.1.0")
    worker = day.job.stack.pid("control")
    with run_members(day.job.stack.home, rate=RATE) as members:
        members.await_signed_in()
        with held_at(day.job, Boundary(part="deployment", kind=EntryKind.STEP_DONE, step=step)) as gate:
            run = day.job.begin({"version": "1.0.0", "bake": "PT6S"})
            wait_until_held(gate)
            os.kill(worker, signal.SIGKILL)
            drop_held(gate)
        ended = day.ended(run)
        seen = members.finish()

    assert ended.code == 0, ended.err
    assert (seen.lost, seen.sent > 100) == (0, True), seen
    after = day.job.serving()
    assert (after.version, after.idle_version) == ("1.0.0", None)
    journal = day.job.journal(run)
    kinds = [entry["kind"] for entry in journal]
    assert ("taken-over" in kinds, kinds.count("run-ended")) == (True, 1)
    assert tuple(dict.fromkeys(entry["step"] for entry in journal if entry["kind"] == "step-done")) == STEPS, "there are others than those it is killed in"


def test_routes_that_a_person_changes_during_the_watch_are_named_and_left_as_they_are(day: Day) -> None:
    day.deployed("1.1.0")
    by_hand = Weights(blue=30, green=70)
    with run_members(day.job.stack.home, rate=RATE) as members:
        members.await_signed_in()
        run = day.job.started("1.0.0", "--bake", "60s")
        day.job.wait_for_step(run, "watch_release")
        change = day.job.stack.environment.traffic.describe_shift(by_hand)[0]
        day.lent.kubectl(*shlex.split(change)[1:])
        ended = day.ended(run)
        left = {colour.colour.value: colour.traffic for colour in day.job.stack.status().colours}
        back = day.job.stack.ue("rollback", "traffic", "--reason", "one version for all", "--yes", within=200)
        seen = members.finish()

    assert ended.code == 1, ended.err
    assert str(day.job.result(ended)["outcome"]).startswith(
        "FAILED, LEFT TO A PERSON: somebody changed the routes by hand during the watch: blue 30 %, green 70 %"
    )
    assert left == {"blue": 30, "green": 70}
    assert back.code == 0, back.err
    assert day.job.serving().version == "1.1.0"
    assert seen.lost == 0, seen


def test_a_deployment_that_a_person_changes_by_hand_is_named_and_not_written_over(day: Day) -> None:
    day.deployed("1.1.0")
    idle = "blue" if day.job.serving().colour == "green" else "green"
    day.type("set", "env", f"deployment/unioneyes-web-{idle}", "SOMEBODY=was-here")
    day.type("set", "image", f"deployment/unioneyes-web-{idle}", "web=registry.invalid/hotfix:latest")
    day.type("scale", f"deployment/unioneyes-web-{idle}", "--replicas=1")

    said = day.job.deploy("1.0.0", "--bake", "1s", within=200)

    assert said.code in {1, 3, 5}, said.err
    assert "changed by hand" in said.err or "and was stopped" in said.err, said.err
    assert day.type("get", f"deployment/unioneyes-web-{idle}", "--output=jsonpath={..image}") == "registry.invalid/hotfix:latest"
    assert day.job.serving().version == "1.1.0"
    day.type("scale", f"deployment/unioneyes-web-{idle}", "--replicas=0")


def test_pods_that_are_evicted_from_their_node_lose_no_request(day: Day) -> None:
    day.deployed("1.1.0")
    colour = day.job.serving().colour
    chosen = ("--selector", f"app=unioneyes-web,version={colour}")
    with run_members(day.job.stack.home, rate=RATE) as members:
        members.await_signed_in()
        before = day.type("get", "pods", *chosen, "--output=name").split()
        for pod in before:
            name = pod.removeprefix("pod/")
            assert eventually(partial(evicted, day, name), within=90), f"the budget never let {name} go"
        assert eventually(lambda: not set(before) & set(day.type("get", "pods", *chosen, "--output=name").split()), within=90)
        assert eventually(lambda: ready(day, colour) == len(before), within=90)
        seen = members.finish()

    assert (seen.lost, seen.sent > 100) == (0, True), seen


def test_a_release_whose_image_is_gone_is_refused_before_anything_is_changed(day: Day) -> None:
    settings = day.job.stack.layout.settings
    whole = settings.read_text()
    before = day.job.serving()
    try:
        settings.write_text(whole.replace('/service"', '/nobody-pushed"'))
        assert day.job.stack.start(within=STARTED_WITHIN).code == 0
        said = day.job.deploy("1.0.0", "--bake", "1s")
    finally:
        settings.write_text(whole)
        assert day.job.stack.start(within=STARTED_WITHIN).code == 0

    assert said.code in {2, 3}, said.err
    assert "there is no image" in said.err
    assert day.job.serving() == before


def test_a_second_environment_that_names_the_same_namespace_is_refused_and_pods_keep_their_database(day: Day) -> None:
    """Two control planes of two databases: the second one's would have nothing of the members in it."""
    day.deployed("1.1.0")
    kept = day.type("get", "secret", "database-credentials", "--output=jsonpath={.data.url}")
    with empty_stack(settings=day.job.stack.layout.settings.read_text().partition("\n")[2], env=NAME) as second:
        said = second.start(within=STARTED_WITHIN)

    assert said.code == 3, said.err
    assert "another environment operates them" in said.err
    assert day.type("get", "secret", "database-credentials", "--output=jsonpath={.data.url}") == kept
    assert day.job.serving().version == "1.1.0"


def evicted(day: Day, pod: str) -> bool:
    """Return whether the pod may go now: its budget may want another one ready first."""
    eviction = json.dumps({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": day.namespace}})
    path = f"/api/v1/namespaces/{day.namespace}/pods/{pod}/eviction"
    try:
        day.lent.kubectl("create", f"--raw={path}", "--filename=-", fed=eviction)
    except KubectlFailed as problem:
        if "disruption budget" in problem.what:
            return False
        raise
    return True


def ready(day: Day, colour: str) -> int:
    """Return how many pods of the colour get requests."""
    return int(day.type("get", f"deployment/unioneyes-web-{colour}", "--output=jsonpath={.status.readyReplicas}") or 0)
