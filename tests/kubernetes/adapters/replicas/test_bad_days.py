"""What goes wrong on a cluster is told in time, with its reason and what to do; and nobody is written over silently."""

from __future__ import annotations

import shlex
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from lightkube.resources.apps_v1 import Deployment

from tests.contract.replicas.promises import BLUE, FOR_EVER, GREEN, PATIENCE, standing, start
from tests.contract.replicas.world import MUTE
from tests.kubernetes.adapters.colours import APP
from tests.kubernetes.adapters.relay import relayed
from tests.kubernetes.adapters.replicas.conftest import MISSING, Service
from tests.kubernetes.adapters.replicas.stand_in import deployment
from tests.kubernetes.cluster.lent import Lent
from tests.stack import eventually
from unioneyes.adapters.kubernetes.access import find_access
from unioneyes.adapters.kubernetes.client import Cluster
from unioneyes.adapters.kubernetes.failures import MissingRight, NamespaceMissing
from unioneyes.adapters.kubernetes.fencing import TOKEN
from unioneyes.adapters.kubernetes.replicas import ChangedByHand, HalfApplied
from unioneyes.adapters.kubernetes.rights import REPLICAS, MissingRights, Needed, missing, require
from unioneyes.kernel.fencing import FencedOff, fencing_token
from unioneyes.kernel.problems import Problem
from unioneyes.ports.replicas import NoReadyReplica
from unioneyes.ports.traffic import Colour

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(400)]
SOON = 60.0
"""Seconds within which a reason is told on a busy machine; nothing waits for it to come true that it never will."""


def refused(service: Service, version: str = "1.0.0", count: int = 1) -> str:
    """Return why the version does not start, which is told soon, however long it may take."""
    began = time.monotonic()
    with pytest.raises(NoReadyReplica) as problem:
        service.replicas.start(BLUE, version=version, count=count, within=FOR_EVER)
    assert time.monotonic() - began < SOON
    assert problem.value.remedy.startswith(f"kubectl -n {service.namespace} describe pods")
    return problem.value.what


def test_an_image_that_nobody_pushed_is_told(service: Service) -> None:
    assert "replicas-nobody-pushed" in (why := refused(service, MISSING))
    assert "ErrImagePull" in why or "ImagePullBackOff" in why
    service.replicas.stop(BLUE)
    start(service, BLUE, count=1)


def test_a_probe_that_keeps_failing_is_told_when_the_time_is_up(service: Service) -> None:
    with pytest.raises(NoReadyReplica, match=r"Readiness probe failed: HTTP probe failed with statuscode: 503"):
        service.replicas.start(BLUE, version=MUTE, count=1, within=timedelta(seconds=12))


def test_a_quota_is_told(service: Service) -> None:
    service.type("create", "quota", "small", "--hard=pods=1")
    assert "exceeded quota: small" in refused(service, count=2)


def test_that_no_node_has_room_is_told(service: Service) -> None:
    service.kubectl.apply(deployment(service.namespace, BLUE, requests={"cpu": "1000"}))
    assert "Insufficient cpu" in refused(service)


def test_a_secret_that_is_missing_is_told(service: Service) -> None:
    service.type("delete", "secret", "database-credentials")
    assert 'secret "database-credentials" not found' in refused(service)


def test_half_applied_manifests_are_told_before_anything_is_done(service: Service) -> None:
    service.type("delete", "deployment", f"{APP}-green")
    with pytest.raises(HalfApplied, match=f"no Deployment {APP}-green") as problem:
        service.replicas.start(GREEN, version="1.0.0", count=1, within=PATIENCE)
    assert "kubectl apply" in problem.value.remedy
    with pytest.raises(HalfApplied):
        service.replicas.describe_start(GREEN, version="1.0.0", count=1)
    start(service, BLUE, count=1)
    assert standing(service) == [(BLUE, "1.0.0", True)]
    other = replace(service.replicas, container="server")
    with pytest.raises(HalfApplied, match="no container 'server'"):
        other.start(BLUE, version="1.0.0", count=1, within=PATIENCE)


def test_a_namespace_that_does_not_exist_is_told(service: Service, lent: Lent) -> None:
    nowhere = Cluster(lambda: find_access({}, kubeconfig=lent.kubectl.kubeconfig), namespace="unioneyes-nowhere")
    with pytest.raises(NamespaceMissing, match="no namespace 'unioneyes-nowhere'"):
        replace(service.replicas, cluster=nowhere).start(BLUE, version="1.0.0", count=1, within=PATIENCE)
    with pytest.raises(NamespaceMissing):
        nowhere.check()
    nowhere.close()


def limited(service: Service, lent: Lent, folder: Path) -> Cluster:
    """Return the cluster, as a service account sees it that may do nothing."""
    service.type("create", "serviceaccount", "ue")
    kubeconfig = yaml.safe_load(lent.kubectl.kubeconfig.read_text())
    kubeconfig["users"][0]["user"] = {"token": service.type("create", "token", "ue").strip()}
    file = folder / "kubeconfig"
    file.write_text(yaml.safe_dump(kubeconfig))
    return Cluster(lambda: find_access({}, kubeconfig=file), namespace=service.namespace)


def test_rights_that_are_missing_are_told_with_the_role_that_gives_them(service: Service, lent: Lent, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    cluster = limited(service, lent, tmp_path)
    request.addfinalizer(cluster.close)
    replicas = replace(service.replicas, cluster=cluster)
    with pytest.raises(MissingRight, match="may not") as one:
        replicas.all()
    assert f"--serviceaccount={service.namespace}:ue" in one.value.remedy
    with pytest.raises(MissingRights, match=r"get, patch deployments\.apps") as all_of_them:
        require(Needed(cluster=cluster, rights=REPLICAS))
    service.type("apply", "--filename=-", fed=all_of_them.value.remedy.partition("\n")[2])
    assert eventually(lambda: not missing(cluster, REPLICAS))
    start(replace(service, replicas=replicas), BLUE, count=1)
    replicas.mark_served(BLUE)
    assert replicas.outcomes(BLUE)
    replicas.logs(BLUE, since=datetime.now(UTC))
    replicas.stop(BLUE)


def test_an_image_that_somebody_set_by_hand_is_named_and_not_written_over(service: Service, lent: Lent) -> None:
    start(service, BLUE, count=1)
    hotfix = f"{service.replicas.image('1.0.0')}:latest"
    service.type("set", "image", f"deployment/{APP}-blue", f"web={hotfix}")
    eventually(lambda: [replica.version for replica in service.replicas.all()] == ["1.0.0, changed by hand"])
    with pytest.raises(ChangedByHand, match=rf"{APP}-blue was changed by hand \(.*kubectl-set at .*\): its image is {hotfix}, and was") as problem:
        service.replicas.start(BLUE, version="1.0.0", count=1, within=PATIENCE)
    assert hotfix in service.type("get", "deployment", f"{APP}-blue", "--output=jsonpath={..image}")
    command = shlex.split(problem.value.remedy.partition("kubectl ")[2])
    lent.kubectl(*command)
    start(service, BLUE, count=1)


def test_whoever_scales_by_hand_is_not_in_the_way_of_what_comes_later(service: Service) -> None:
    start(service, BLUE, count=1)
    service.type("scale", "deployment", f"{APP}-blue", "--replicas=2")
    assert eventually(lambda: len(service.replicas.all()) == 2)
    start(service, BLUE, count=1)
    service.type("scale", "deployment", f"{APP}-blue", "--replicas=2")
    service.replicas.stop(BLUE)
    assert service.replicas.all() == ()


@pytest.mark.parametrize("typed", [("scale", "deployment", f"{APP}-blue", "--replicas=0"), ("set", "image", f"deployment/{APP}-blue", "web=other.invalid/x")])
def test_what_somebody_changes_in_the_middle_of_a_start_is_named_at_once(service: Service, typed: tuple[str, ...]) -> None:
    with ThreadPoolExecutor() as at_work:
        starting = at_work.submit(service.replicas.start, BLUE, version=MUTE, count=1, within=FOR_EVER)
        assert eventually(lambda: bool(service.running(BLUE)))
        service.type(*typed)
        with pytest.raises(ChangedByHand, match=r"changed by hand \(kubectl"):
            starting.result(SOON)


def test_what_runs_on_a_stopped_colour_by_somebodys_hand_is_named(service: Service) -> None:
    start(service, BLUE, count=1)
    service.replicas.stop(BLUE)
    service.type("scale", "deployment", f"{APP}-blue", "--replicas=1")
    with pytest.raises(ChangedByHand, match="it runs 1 replicas, and was stopped"):
        service.replicas.start(BLUE, version="1.0.0", count=1, within=PATIENCE)


def test_what_a_person_would_type_does_the_same(service: Service, lent: Lent) -> None:
    for command in service.replicas.describe_start(GREEN, version="1.1.0", count=2, configuration={"POOL": "it's 3"}):
        words = shlex.split(command)
        assert words[0] == "kubectl"
        lent.kubectl(*words[1:], within=120)
    assert standing(service) == [(GREEN, "1.1.0", True)] * 2
    assert service.settings_of(GREEN) == [{"POOL": "it's 3"}] * 2
    for command in service.replicas.describe_stop(GREEN):
        lent.kubectl(*shlex.split(command)[1:], within=120)
    assert service.replicas.all() == ()


def test_a_start_goes_on_where_another_one_was_left(service: Service) -> None:
    start(service, BLUE)
    with pytest.raises(NoReadyReplica):
        service.replicas.start(BLUE, version="1.1.0", count=2, within=timedelta(seconds=0.1))
    start(service, BLUE, "1.1.0")
    assert standing(service) == [(BLUE, "1.1.0", True)] * 2
    service.type("scale", "deployment", f"{APP}-blue", "--replicas=0")  # as a stop that was killed after its first write
    service.replicas.stop(BLUE)
    assert service.replicas.all() == ()


def test_two_at_once_do_no_harm(service: Service) -> None:
    with ThreadPoolExecutor() as both:
        done = [both.submit(service.replicas.start, BLUE, version="1.0.0", count=2, within=PATIENCE) for _ in range(2)]
        assert [each.result().count for each in done] == [2, 2]
    assert standing(service) == [(BLUE, "1.0.0", True)] * 2


def test_a_late_run_is_refused_by_the_deployment(service: Service) -> None:
    fencing_token.set(9_000)
    start(service, BLUE, count=1)
    service.replicas.mark_served(BLUE)
    before = service.running(BLUE)
    fencing_token.set(8_000)
    try:
        for late in (
            lambda: service.replicas.stop(BLUE),
            lambda: service.replicas.start(BLUE, version="1.1.0", count=1, within=PATIENCE),
            lambda: service.replicas.mark_served(BLUE, after_rollback=True),
            service.replicas.stop_rehearsal,
        ):
            with pytest.raises(FencedOff):
                late()
    finally:
        fencing_token.set(None)
    assert service.running(BLUE) == before
    start(service, BLUE, count=1)
    found = service.replicas.cluster.get(Deployment, f"{APP}-blue")
    assert found.metadata is not None
    assert (found.metadata.annotations or {})[TOKEN] == "9000", "what an environment does for itself leaves it"


def test_an_autoscaler_keeps_its_word(service: Service) -> None:
    service.type("autoscale", "deployment", f"{APP}-blue", "--min=2", "--max=3", "--cpu=50%")
    ready = service.replicas.start(BLUE, version="1.0.0", count=1, within=PATIENCE)
    assert ready.count == 2
    service.type("scale", "deployment", f"{APP}-blue", "--replicas=3")  # as it does
    assert service.replicas.start(BLUE, version="1.0.0", count=2, within=PATIENCE).count == 3
    service.replicas.stop(BLUE)
    assert service.replicas.all() == ()


def test_a_request_that_is_under_way_is_answered_before_its_replica_ends(service: Service) -> None:
    start(service, BLUE, count=1)
    with ThreadPoolExecutor() as member:
        slow = member.submit(service.ask, BLUE, "/slow/2")
        time.sleep(0.5)
        service.replicas.stop(BLUE)
        assert slow.result() == "1.0.0"


def test_what_a_replica_said_before_its_restart_is_told(service: Service) -> None:
    started = datetime.now(UTC) - timedelta(seconds=1)
    start(service, BLUE, count=1)
    service.ask(BLUE, "/log/ERROR")
    service.ask(BLUE, "/trace")
    service.fail(BLUE)
    assert eventually(lambda: [replica.restarts for replica in service.replicas.all()] == [1])
    said = [line.message for line in service.replicas.logs(BLUE, since=started, level="ERROR")]
    assert said[:2] == ["ERROR was asked for", "ValueError: no such thing"]
    assert said[2].startswith("ended by itself: exit code 3")


def test_an_api_server_that_is_away_for_a_while_is_waited_for(service: Service, lent: Lent) -> None:
    found = find_access({}, kubeconfig=lent.kubectl.kubeconfig)
    host, _, port = found.server.removeprefix("https://").rpartition(":")
    with relayed(host, int(port)) as relay:
        access = replace(found, server=f"https://127.0.0.1:{relay.port}")
        through = replace(service.replicas, cluster=Cluster(lambda: access, namespace=service.namespace, time_limit=timedelta(seconds=20)))
        with ThreadPoolExecutor() as at_work:
            starting = at_work.submit(through.start, BLUE, version="1.0.0", count=2, within=PATIENCE)
            assert eventually(lambda: relay.passed > 0)
            for _ in range(3):
                relay.cut()
                time.sleep(4)
                relay.mend()
                time.sleep(1)
            assert starting.result().count == 2
        relay.cut()
        quick = replace(through, cluster=Cluster(lambda: access, namespace=service.namespace, time_limit=timedelta(seconds=2)))
        with pytest.raises(Problem, match="can't be reached") as away:
            quick.all()
        assert away.value.retryable
        through.cluster.close()
        quick.cluster.close()


def test_configurations_that_nothing_uses_are_cleared_and_others_are_kept(service: Service) -> None:
    for pool in ("1", "2"):
        replicas = service.configured({"POOL": pool})
        replicas.start(Colour.BLUE, version=f"1.{pool}.0", count=1, within=PATIENCE)
        replicas.mark_served(BLUE)
    kept = set(service.type("get", "configmaps", "--selector", f"unioneyes.app/settings-of={APP}", "--output=name").split())
    assert len(kept) == 2
    assert threading.active_count() < 100
