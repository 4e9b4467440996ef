"""Traffic by a Gateway keeps the promises of the port, and what only a cluster can do to it changes nothing of that."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from threading import Event

import pytest

from tests.contract.fencing.late import late, taken_over
from tests.contract.fencing.test_every_write import TRAFFIC, refused
from tests.contract.processes.conftest import eventually
from tests.contract.traffic.load import load
from tests.contract.traffic.promises import BLUE, GREEN, TrafficPromises
from tests.kubernetes.adapters.traffic.severed import CutAfterWrite, on_a_relay
from tests.kubernetes.adapters.traffic.world import GatewayWorld, anew
from tests.kubernetes.cluster.parts import gateway
from unioneyes.adapters.kubernetes.client import Cluster
from unioneyes.adapters.kubernetes.gateway.filed import FiledObject
from unioneyes.adapters.kubernetes.gateway.routes import NAMES, OFF_HEADER
from unioneyes.adapters.kubernetes.gateway.traffic import GatewayTraffic
from unioneyes.ports.traffic import Colour, ForeignRoutes, NoHealthyReplica, RoutesRejected, TrafficUnavailable, TrafficView, Weights

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(400)]

SWITCHES = 10


class TestGatewayTraffic(TrafficPromises):
    """The promises of the port, kept by Envoy Gateway."""


@pytest.mark.parametrize("kept_alive", [True, False], ids=["kept-alive connections", "new connections"])
def test_ten_switches_lose_nothing_and_nobody_is_answered_by_the_old_colour_afterwards(edge: GatewayWorld, *, kept_alive: bool) -> None:
    edge.traffic.shift(BLUE)
    with load(edge.members, kept_alive=kept_alive) as asked:
        for turn in range(SWITCHES):
            weights, old = (GREEN, "blue") if turn % 2 == 0 else (BLUE, "green")
            edge.traffic.shift(weights)
            begun = asked.begun
            asked.wait_for(200)
            assert asked.latest[old] <= begun, "a request that began after the switch was answered by the old colour"
    assert set(asked.outcomes) == {"blue", "green"}


def test_shares_that_change_lose_nothing(edge: GatewayWorld) -> None:
    edge.traffic.shift(BLUE)
    with load(edge.members) as asked:
        for share in (1, 10, 50, 90, 100, 50, 0):
            edge.traffic.shift(Weights.part_to(Colour.GREEN, share))
            asked.wait_for(150)
    assert set(asked.outcomes) == {"blue", "green"}


def test_whoever_looks_during_a_rehearsal_sees_no_change(edge: GatewayWorld) -> None:
    before = edge.traffic.shift(BLUE)
    seen: set[TrafficView] = set()
    over = Event()

    def look() -> None:
        while not over.is_set():
            seen.add(edge.traffic.view())

    with ThreadPoolExecutor() as pool:
        looking = pool.submit(look)
        for _ in range(10):
            edge.traffic.rehearse_shift()
        over.set()
        looking.result()
    assert seen == {TrafficView(weights=BLUE, maintenance=False, revision=before.revision, in_force=True)}


def test_replicas_that_come_and_go_lose_nothing_of_the_other_colour(edge: GatewayWorld) -> None:
    edge.traffic.shift(BLUE)
    before = edge.traffic.view()
    with load(edge.members) as asked:
        edge.scale(Colour.GREEN, 0)
        assert edge.traffic.view() == before, "that is no change of the routes"
        edge.scale(Colour.GREEN, 1)
        edge.traffic.shift(GREEN)
        asked.wait_for(300)
    assert set(asked.outcomes) == {"blue", "green"}


def test_a_colour_whose_service_is_missing_gets_nothing(edge: GatewayWorld) -> None:
    before = edge.traffic.shift(BLUE)
    service = edge.kubectl("get", "service", NAMES.service(Colour.GREEN), "--output=json")
    edge.kubectl("delete", "service", NAMES.service(Colour.GREEN))
    try:
        with pytest.raises(NoHealthyReplica, match="unioneyes-web-green has no endpoint"):
            edge.traffic.shift(GREEN)
        assert (edge.traffic.view().weights, edge.get().version) == (BLUE, "blue")
    finally:
        again = json.loads(service)
        edge.lent.kubectl.apply({**again, "metadata": {name: again["metadata"][name] for name in ("name", "namespace")}, "status": {}})
    eventually(lambda: edge.traffic.counters().green.healthy == 1)
    assert edge.traffic.view().revision == before.revision


def test_a_change_by_hand_is_in_force_and_seen_by_the_revision(edge: GatewayWorld) -> None:
    before = edge.traffic.shift(BLUE)
    for command in edge.traffic.describe_shift(GREEN):
        edge.type(command)
    eventually(lambda: edge.traffic.view().in_force and edge.traffic.view().weights == GREEN)
    assert edge.traffic.view().revision != before.revision
    assert edge.get().version == "green"


def test_a_rule_that_somebody_added_is_named_and_not_written_over(edge: GatewayWorld) -> None:
    edge.traffic.shift(BLUE)
    extra = {"name": "by-hand", "matches": [{"path": {"type": "PathPrefix", "value": "/api"}}], "backendRefs": [{"name": "unioneyes-web-green", "port": 80}]}
    edge.kubectl("patch", "httproute", NAMES.app, "--type=json", f"--patch={json.dumps([{'op': 'add', 'path': '/spec/rules/0', 'value': extra}])}")
    questions: tuple[Callable[[], object], ...] = (edge.traffic.view, lambda: edge.traffic.shift(GREEN), edge.traffic.rehearse_shift)
    eventually(lambda: edge.get("/api").version == "green")
    for question in questions:
        with pytest.raises(ForeignRoutes, match=r"gates|rule|lacks|cluster"):
            question()
    assert "by-hand" in edge.kubectl("get", "httproute", NAMES.app, "--output=json")


def test_a_route_that_somebody_deleted_is_named(edge: GatewayWorld) -> None:
    edge.traffic.shift(BLUE)
    edge.kubectl("delete", "httproute", NAMES.app)
    with pytest.raises(ForeignRoutes, match="unioneyes-web"):
        edge.traffic.view()
    with pytest.raises(ForeignRoutes):
        edge.traffic.shift(GREEN)


def test_without_an_answer_for_it_there_is_no_maintenance_and_a_shift_all_the_same(edge: GatewayWorld) -> None:
    edge.traffic.shift(BLUE)
    edge.kubectl("delete", "httproutefilter", NAMES.answer("maintenance"))
    try:
        eventually(lambda: not _maintainable(edge))
        with pytest.raises(RoutesRejected, match="no answer for maintenance"):
            edge.traffic.enter_maintenance(retry_after=timedelta(minutes=1))
        edge.traffic.shift(GREEN)
        assert (edge.traffic.view().maintenance, edge.get().version) == (False, "green")
    finally:
        edge.file_answers()
        eventually(lambda: _maintainable(edge))


def _maintainable(edge: GatewayWorld) -> bool:
    proxies = edge.traffic._proxies
    return all(each.maintainable for running in proxies.running(proxies.ready()) for each in running.members)


def test_a_proxy_that_is_replaced_loses_nothing_and_comes_back_on_the_right_colour(edge: GatewayWorld) -> None:
    edge.traffic.shift(GREEN)
    old = edge.proxies()
    with load(edge.members) as asked:
        asked.wait_for(100)
        edge.lent.kubectl("delete", "pod", old[0], "--namespace", gateway.NAMESPACE, "--wait=false")
        edge.traffic.shift(BLUE)
        edge.traffic.shift(GREEN)
        eventually(lambda: len(set(edge.proxies()) - set(old)) == 1 and edge.all_ready(), within=60)
        asked.wait_for(200)
    assert set(asked.outcomes) == {"blue", "green"}
    assert (edge.traffic.view().weights, edge.traffic.view().in_force) == (GREEN, True)
    assert {edge.get().version for _ in range(40)} == {"green"}


def test_proxies_that_envoy_gateway_does_not_reach_keep_what_they_have_and_so_does_the_route(edge: GatewayWorld) -> None:
    edge.traffic.shift(BLUE)
    before = edge.traffic.view()
    with load(edge.members) as asked:
        with edge.proxies_left_alone():
            with pytest.raises(TrafficUnavailable, match="have not taken a change"):
                edge.traffic.shift(GREEN)
            assert edge.traffic.view() == before
        eventually(lambda: _shifts(edge, GREEN), within=90)
        asked.wait_for(100)
    assert set(asked.outcomes) == {"blue", "green"}


def _shifts(edge: GatewayWorld, weights: Weights) -> bool:
    try:
        return edge.traffic.shift(weights).weights == weights
    except TrafficUnavailable:
        return False


def test_an_api_server_that_goes_away_in_the_middle_of_a_change_leaves_it_to_be_repeated(edge: GatewayWorld) -> None:
    edge.traffic.shift(BLUE)
    with on_a_relay(edge.lent.kubectl.kubeconfig) as (relay, access):
        cluster = CutAfterWrite(lambda: access, namespace=edge.lent.namespace, time_limit=timedelta(seconds=2))
        cluster.relay = relay
        of_proxies = Cluster(lambda: access, namespace=gateway.NAMESPACE, time_limit=timedelta(seconds=2))
        traffic = GatewayTraffic(cluster=cluster, proxies_cluster=of_proxies)
        for question in (lambda: traffic.shift(GREEN), traffic.view, traffic.counters):
            with pytest.raises(TrafficUnavailable):
                question()
        relay.mend()
        traffic.shift(GREEN)
        cluster.close()
        of_proxies.close()
    assert (edge.traffic.view().weights, edge.get().version) == (GREEN, "green")


def test_whoever_comes_late_is_refused_by_the_route(edge: GatewayWorld) -> None:
    edge.traffic.shift(BLUE)
    for before in (FiledObject.read.__code__, FiledObject._put.__code__):
        with late(partial(anew, edge, lambda traffic: traffic.shift(GREEN)), before=before) as stopped:
            with taken_over():
                edge.traffic.shift(BLUE)
                edge.traffic.enter_maintenance(retry_after=timedelta(minutes=1))
                edge.traffic.leave_maintenance()
            assert stopped.wake() == "fenced-off"
        assert edge.traffic.view().weights == BLUE


def test_every_write_of_whoever_comes_late_is_refused(edge: GatewayWorld) -> None:
    calls = {name: partial(anew, call=call) for name, call in TRAFFIC.items()}
    refused(calls, edge, before=FiledObject.read.__code__, newer=lambda: edge.traffic.shift(BLUE))
    assert edge.traffic.view().weights == BLUE


def test_no_client_opens_a_gate(edge: GatewayWorld) -> None:
    edge.traffic.shift(BLUE)
    for value in ("$never", "never", "", "x" * 100):
        answers = {edge.get(headers={OFF_HEADER: value}).version for _ in range(5)}
        assert answers == {"blue"}, value


def test_the_proxies_show_their_routes_and_nothing_else(edge: GatewayWorld) -> None:
    for path in ("quitquitquit", "config_dump", "config_dump?resource=static_clusters", "stats", "certs"):
        answer = edge.traffic.proxies_cluster.ask_pod(edge.proxies()[0], 19010, path)
        assert answer.status_code == 404, path
    shown = edge.traffic.proxies_cluster.ask_pod(edge.proxies()[0], 19010, "config_dump?resource=dynamic_route_configs").text
    assert not re.search(r"private_key|BEGIN|password", shown)
