"""Each call ends in time, is tried again where that is safe and only there, and fails as a problem with a remedy."""

from __future__ import annotations

import gc
import json
import socket
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from weakref import ref

import pytest
from lightkube.resources.core_v1 import ConfigMap, Pod
from pydantic import JsonValue, SecretStr
from starlette.responses import PlainTextResponse, Response

from tests.certificates import Authority
from tests.contract.kubernetes.scripted import NAMESPACE, Scripted, configmap, failing, saying, scripted, streaming
from unioneyes.adapters.kubernetes.access import Access, trusting
from unioneyes.adapters.kubernetes.client import Cluster
from unioneyes.adapters.kubernetes.failures import (
    ChangedMeanwhile,
    ClusterUnavailable,
    MissingRight,
    NotAdmitted,
    ObjectMissing,
    OwnedByAnother,
    UnknownToCluster,
    WrongCluster,
)

SHORT = timedelta(seconds=2)


@pytest.fixture
def script(tmp_path: Path) -> Iterator[Scripted]:
    with scripted(tmp_path) as running:
        yield running


def names(found: tuple[ConfigMap, ...]) -> list[str | None]:
    return [each.metadata.name if each.metadata else None for each in found]


def event(what: str, name: str, version: str) -> str:
    return f"{json.dumps({'type': what, 'object': configmap(name, version)})}\n"


def listed(version: str, *items: str) -> dict[str, JsonValue]:
    return {"kind": "ConfigMapList", "apiVersion": "v1", "metadata": {"resourceVersion": version}, "items": [configmap(name) for name in items]}


def test_a_read_is_sent_again_while_the_server_is_unwell(script: Scripted) -> None:
    script.then(failing(503, "starting"), failing(500, "etcd has no leader"), saying(configmap()))
    assert script.cluster.get(ConfigMap, "a").metadata is not None
    assert len(script.asked) == 3


def test_a_write_is_sent_once_while_the_server_is_unwell(script: Scripted) -> None:
    script.then(failing(503, "starting"))
    with pytest.raises(ClusterUnavailable, match="answers 503 to patch configmaps a"):
        script.cluster.patch(ConfigMap, "a", {"data": {"x": "1"}})
    assert len(script.asked) == 1


def test_a_write_that_was_throttled_is_sent_again_after_as_long_as_the_server_asks(script: Scripted) -> None:
    script.then(failing(429, "too many requests", headers={"Retry-After": "1"}), saying(configmap()))
    began = time.monotonic()
    script.cluster.patch(ConfigMap, "a", {"data": {"x": "1"}})
    assert time.monotonic() - began >= 1
    assert len(script.asked) == 2


def test_a_server_that_throttles_longer_than_the_call_may_last_is_not_waited_for(script: Scripted) -> None:
    script.then(failing(429, "too many requests", headers={"Retry-After": "600"}))
    with pytest.raises(ClusterUnavailable, match="answers 429") as refused:
        script.cluster.get(ConfigMap, "a", within=SHORT)
    assert refused.value.retryable


def test_credentials_that_are_not_known_any_more_are_read_anew_once(tmp_path: Path) -> None:
    with scripted(tmp_path, tokens=("first", "second", "third")) as script:
        script.then(failing(401, "Unauthorized"), saying(configmap()), failing(401, "Unauthorized"), failing(401, "Unauthorized"))
        script.cluster.get(ConfigMap, "a")
        assert [credential for *_, credential in script.asked] == ["Bearer first", "Bearer second"]
        with pytest.raises(UnknownToCluster, match="does not know who asks") as refused:
            script.cluster.get(ConfigMap, "a")
        assert len(script.asked) == 4
        assert not any(token in str(refused.value) for token in ("first", "second", "third"))


def test_an_answer_that_drips_ends_with_the_call(script: Scripted) -> None:
    script.then(streaming(*(" " * 50), every=0.2))
    began = time.monotonic()
    with pytest.raises(ClusterUnavailable, match="does not answer in time"):
        script.cluster.get(ConfigMap, "a", within=SHORT)
    assert time.monotonic() - began < 8


def test_a_server_that_is_away_is_tried_until_the_call_must_end(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "authority")
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    access = Access(server=f"https://127.0.0.1:{port}", context=trusting(authority.file), token=SecretStr("x"))
    cluster = Cluster(lambda: access, namespace=NAMESPACE, time_limit=SHORT)
    began = time.monotonic()
    with pytest.raises(ClusterUnavailable, match="can't be reached"):
        cluster.patch(ConfigMap, "a", {})
    assert 1 < time.monotonic() - began < 10


def test_a_server_that_another_authority_vouches_for_is_told_nothing(tmp_path: Path, script: Scripted) -> None:
    stranger = Authority(tmp_path, "stranger")
    server = script.cluster._connection.server
    access = Access(server=server, context=trusting(stranger.file), token=SecretStr("x"))
    began = time.monotonic()
    with pytest.raises(ClusterUnavailable, match="is not the API server that the kubeconfig's authority vouches for"):
        Cluster(lambda: access, namespace=NAMESPACE).get(ConfigMap, "a")
    assert script.asked == []
    assert time.monotonic() - began < 5, "it is not tried again"


def test_a_context_that_leads_to_another_cluster_is_asked_nothing(script: Scripted) -> None:
    access = Access(server=script.cluster._connection.server, context=trusting(), token=SecretStr("x"))
    with pytest.raises(WrongCluster, match=r"the environment's cluster is https://production\.example:6443"):
        Cluster(lambda: access, namespace=NAMESPACE, server="https://production.example:6443").get(ConfigMap, "a")
    assert script.asked == []


@pytest.mark.parametrize(
    ("code", "message", "reason", "kind"),
    [
        (403, 'configmaps "a" is forbidden: User "system:serviceaccount:ops:ue" cannot patch resource "configmaps" in API group ""', "Forbidden", MissingRight),
        (403, 'pods "a" is forbidden: exceeded quota: small, requested: pods=1, used: pods=2, limited: pods=2', "Forbidden", NotAdmitted),
        (409, 'Apply failed with 1 conflict: conflict with "kubectl-scale" using apps/v1: .spec.replicas', "Conflict", OwnedByAnother),
        (409, "the object has been modified; please apply your changes to the latest version and try again", "Conflict", ChangedMeanwhile),
        (422, 'Deployment.apps "a" is invalid: spec.selector: Required value', "Invalid", NotAdmitted),
    ],
)
def test_each_refusal_is_a_problem_of_its_own(script: Scripted, code: int, message: str, reason: str, kind: type[Exception]) -> None:
    script.then(failing(code, message, reason=reason))
    with pytest.raises(kind) as refused:
        script.cluster.apply(ConfigMap, "a", {"data": {}})
    assert refused.type is kind


def test_a_right_that_is_missing_comes_with_what_gives_it(script: Scripted) -> None:
    script.then(failing(403, 'pods "p" is forbidden: User "system:serviceaccount:ops:ue" cannot create resource "pods/exec" in API group ""'))
    with pytest.raises(MissingRight) as refused:
        script.cluster.logs("p")
    assert "create role ue-create-pods-log --verb=create --resource=pods/log" in refused.value.remedy
    assert "--serviceaccount=ops:ue" in refused.value.remedy


def test_a_secret_in_a_refusal_is_blotted_out(script: Scripted) -> None:
    script.then(failing(422, "stringData.url: Invalid value: postgresql://app:hunter2hunter2@db/x", reason="Invalid"))
    with pytest.raises(NotAdmitted) as refused:
        script.cluster.apply(ConfigMap, "a", {"data": {}})
    assert "hunter2" not in str(refused.value)


def test_deleting_what_is_not_there_is_no_error(script: Scripted) -> None:
    script.then(failing(404, 'configmaps "a" not found', reason="NotFound"))
    script.cluster.delete(ConfigMap, "a")


def test_an_apply_names_its_manager_and_what_was_read(script: Scripted) -> None:
    script.then(saying(configmap()))
    script.cluster.apply(ConfigMap, "a", {"data": {"x": "1"}}, seen="17", force=True)
    ((method, path, query, _),) = script.asked
    assert (method, path) == ("PATCH", "/api/v1/namespaces/ops/configmaps/a")
    assert query["fieldManager"] == "unioneyes"
    assert query["force"] == "true"


def test_a_watch_gives_what_there_is_after_each_change_and_at_each_tick(script: Scripted) -> None:
    script.then(
        saying(listed("5", "a")),
        streaming(event("ADDED", "b", "6"), event("DELETED", "a", "7"), stays=30),
        streaming(event("BOOKMARK", "", "9")),
        streaming(stays=30),
    )
    given = script.cluster.watch(ConfigMap, within=timedelta(seconds=20), tick=timedelta(seconds=1))
    seen = [sorted(map(str, names(next(given)))) for _ in range(5)]
    given.close()  # type: ignore[attr-defined]  # a generator
    assert seen == [["a"], ["a", "b"], ["b"], ["b"], ["b"]]
    assert [query.get("resourceVersion") for _, _, query, _ in script.asked] == [None, "5", "7"]


@pytest.mark.parametrize("how", ["event", "answer"])
def test_a_watch_begins_anew_where_the_server_forgot(script: Scripted, how: str) -> None:
    gone = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 410, "reason": "Expired", "message": "too old resource version"}
    expired = streaming(json.dumps({"type": "ERROR", "object": gone}) + "\n") if how == "event" else failing(410, "too old resource version", reason="Expired")
    script.then(saying(listed("5", "a")), expired, saying(listed("900", "b")), streaming(stays=30))
    given = script.cluster.watch(ConfigMap, within=timedelta(seconds=20), tick=timedelta(seconds=1))
    assert [names(next(given)), names(next(given))] == [["a"], ["b"]]
    given.close()  # type: ignore[attr-defined]  # a generator


def test_a_watch_goes_on_after_the_server_was_unwell_and_raises_what_does_not_pass(script: Scripted) -> None:
    script.then(
        saying(listed("5", "a")), failing(503, "stopping"), failing(429, "busy", headers={"Retry-After": "900"}), streaming(event("ADDED", "b", "6"), stays=30)
    )
    given = script.cluster.watch(ConfigMap, within=timedelta(seconds=20), tick=timedelta(seconds=1))
    assert [names(next(given)), names(next(given))] == [["a"], ["a", "b"]]
    script.then(failing(403, 'User "u" cannot watch resource "configmaps"'))
    with pytest.raises(MissingRight):
        for _ in given:
            pass


def test_a_watch_ends_when_it_was_told_to(script: Scripted) -> None:
    script.then(saying(listed("5")), *(streaming(stays=30) for _ in range(5)))
    began = time.monotonic()
    assert set(script.cluster.watch(ConfigMap, within=SHORT, tick=timedelta(seconds=0.5))) == {()}
    assert time.monotonic() - began < 8


def test_a_server_that_stopped_answering_is_told_when_the_watch_ends(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "authority")
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        access = Access(server=f"https://127.0.0.1:{deaf.getsockname()[1]}", context=trusting(authority.file), token=None)
        cluster = Cluster(lambda: access, namespace=NAMESPACE, time_limit=SHORT)
        with pytest.raises(ClusterUnavailable):
            next(cluster.watch(ConfigMap, within=timedelta(seconds=3)))


def test_what_a_pod_answers_is_not_taken_for_the_api_servers_word(script: Scripted) -> None:
    def by_the_pod(_request: object) -> Response:
        return PlainTextResponse("draining", status_code=503)

    script.then(by_the_pod, failing(404, 'pods "p" not found', reason="NotFound"))
    answer = script.cluster.ask_pod("p", 8001, "/metrics")
    assert (answer.status_code, answer.text) == (503, "draining")
    assert script.asked[0][:2] == ("GET", "/api/v1/namespaces/ops/pods/p:8001/proxy/metrics")
    with pytest.raises(ObjectMissing):
        script.cluster.ask_pod("p", 8001, "/metrics")


def test_many_threads_share_one(script: Scripted) -> None:
    script.then(*(saying({"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": []}) for _ in range(40)))
    failed: list[Exception] = []

    def ask() -> None:
        try:
            for _ in range(5):
                assert script.cluster.list(Pod) == ()
        except Exception as error:  # noqa: BLE001 - it is told by the assertion
            failed.append(error)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def test_what_nobody_uses_any_more_is_let_go_with_its_connections(script: Scripted) -> None:
    """Else a warning of a socket that was left open fails the test."""
    script.then(saying(configmap()))
    script.cluster.get(ConfigMap, "a")
    left = ref(script.cluster)

    script.cluster = Cluster(nobody_asks, namespace=NAMESPACE)
    gc.collect()

    assert left() is None


def nobody_asks() -> Access:
    raise AssertionError
