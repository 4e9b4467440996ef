from __future__ import annotations

import json
import os
import signal
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from tests.contract.processes.conftest import eventually
from tests.contract.traffic.conftest import Edge
from tests.contract.traffic.load import MEMBERS, load
from tests.contract.traffic.promises import BLUE, GREEN, TrafficPromises
from unioneyes.adapters.envoy.traffic import EnvoyTraffic
from unioneyes.kernel.files import replace_file
from unioneyes.ports.traffic import Colour, NoHealthyReplica, RoutesRejected, TrafficUnavailable, Weights

pytestmark = pytest.mark.stack


def members(edge: Edge, colour: Colour) -> tuple[int, int]:
    counters = edge.traffic.counters().of(colour)
    return counters.healthy, counters.replicas


class TestEnvoyTraffic(TrafficPromises):
    """The promises of the port, kept by an Envoy of our own."""


def test_a_shift_to_where_the_traffic_is_writes_nothing(edge: Edge) -> None:
    before, file = edge.traffic.shift(BLUE), edge.folder / "routes.json"
    written = file.stat()
    assert edge.traffic.shift(BLUE).revision == before.revision
    assert os.path.samestat(file.stat(), written)


def test_a_killed_replica_costs_no_request_that_may_be_repeated(edge: Edge) -> None:
    edge.traffic.shift(BLUE)
    with load(edge.members, post_share=1_000_000) as asked:
        asked.wait_for(200)
        os.kill(edge.pid("blue-2"), signal.SIGKILL)
        asked.wait_for(800)
    begun = asked.outcomes.pop("IncompleteRead(0 bytes read)", 0)  # its head was with the member already: nobody may ask that again
    assert set(asked.outcomes) == {"blue"}
    assert begun <= MEMBERS, "each member had one request under way"
    eventually(lambda: members(edge, Colour.BLUE) == (2, 2))


def test_a_replica_that_says_it_is_ill_gets_nothing_until_it_is_well(edge: Edge) -> None:
    edge.sick(Colour.GREEN).touch()
    eventually(lambda: members(edge, Colour.GREEN) == (0, 1))
    with pytest.raises(NoHealthyReplica):
        edge.traffic.shift(GREEN)
    with pytest.raises(NoHealthyReplica, match="0 of 1 replicas of green"):
        edge.traffic.publish(Colour.GREEN, edge.sockets(Colour.GREEN), within=timedelta(seconds=0.2))
    edge.sick(Colour.GREEN).unlink()
    eventually(lambda: members(edge, Colour.GREEN) == (1, 1))
    edge.traffic.shift(GREEN)
    assert edge.get().version == "green"


def test_a_replica_that_is_not_named_any_more_finishes_what_it_has(edge: Edge) -> None:
    edge.traffic.shift(BLUE)
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(edge.get, "/slow/0.7")
        eventually(lambda: edge.traffic.counters().blue.active == 1)
        edge.traffic.publish(Colour.BLUE, ())
        assert edge.get().status == 503
        assert answer.result().status == 200


def test_the_service_sees_the_clients_own_address_and_a_request_id_of_ours(edge: Edge) -> None:
    edge.traffic.shift(BLUE)
    answer = edge.get(headers={"x-real-ip": "192.0.2.1", "x-forwarded-for": "192.0.2.1", "x-request-id": "forged"})
    assert answer.saw["x-real-ip"] == "127.0.0.1"
    assert answer.saw["x-request-id"] == answer.headers["x-request-id"] != "forged"
    assert "x-preview" not in edge.get(preview=True, headers={"x-preview": "blue"}).saw


def test_a_request_for_which_there_is_no_replica_counts_as_failed(edge: Edge) -> None:
    edge.traffic.shift(GREEN)
    before = edge.traffic.counters().green.answers_5xx
    edge.traffic.publish(Colour.GREEN, ())
    assert edge.get().status == 503
    assert edge.traffic.counters().green.answers_5xx == before + 1


def test_when_every_replica_says_it_is_ill_members_are_still_served(edge: Edge) -> None:
    edge.traffic.shift(GREEN)
    edge.sick(Colour.GREEN).touch()
    eventually(lambda: members(edge, Colour.GREEN) == (0, 1))
    assert edge.get().version == "green"


def test_an_envoy_that_was_killed_comes_back_on_the_right_colour(edge: Edge) -> None:
    before = edge.traffic.shift(GREEN)
    killed = edge.pid("envoy")
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: _ready(edge.traffic))
    assert edge.traffic.view().revision == before.revision
    assert edge.get().version == "green"
    assert edge.traffic.shift(BLUE).weights == BLUE


def _ready(traffic: EnvoyTraffic) -> bool:
    try:
        return traffic.counters().green.healthy == 1 and traffic.counters().blue.healthy == 2
    except TrafficUnavailable:
        return False


def test_routes_that_envoy_refuses_leave_the_old_ones_in_force_and_in_the_file(edge: Edge) -> None:
    before, file = edge.traffic.shift(BLUE), edge.folder / "routes.json"
    text = file.read_text()
    with pytest.raises(RoutesRejected):
        edge.traffic.shift(Weights(blue=2**32 - 1, green=1))  # more than Envoy can add up
    assert file.read_text() == text
    assert edge.traffic.view().revision == before.revision
    assert edge.get().version == "blue"
    edge.traffic.shift(GREEN)
    assert edge.get().version == "green"


def test_a_broken_edit_by_hand_is_seen_by_the_revision_and_mended_by_the_next_change(edge: Edge) -> None:
    before, file = edge.traffic.shift(BLUE), edge.folder / "routes.json"
    file.write_text("{")
    seen = edge.traffic.view()
    assert seen.weights == BLUE
    assert not seen.in_force
    assert seen.revision != before.revision
    edge.traffic.shift(BLUE)
    assert json.loads(file.read_text())["resources"]


def test_a_rehearsal_leaves_a_file_that_envoy_does_not_run_to_be_seen(edge: Edge) -> None:
    edge.traffic.shift(BLUE)
    file = edge.folder / "routes.json"
    broken = file.read_text()[:100]
    replace_file(file, broken)
    with pytest.raises(RoutesRejected, match="says something that Envoy does not run"):
        edge.traffic.rehearse_shift()
    assert file.read_text() == broken
    assert not edge.traffic.view().in_force
    edge.traffic.shift(GREEN)
    assert edge.traffic.view().in_force


def test_preparing_again_keeps_what_is_in_force(edge: Edge) -> None:
    before = edge.traffic.shift(GREEN)
    edge.traffic.prepare()
    assert edge.traffic.view().revision == before.revision
    assert edge.get().version == "green"


def test_the_administration_is_private(edge: Edge) -> None:
    assert stat.S_IMODE(edge.traffic.admin_socket.stat().st_mode) == 0o600


def test_an_envoy_that_does_not_run_is_unavailable_and_nothing_is_changed(tmp_path: Path) -> None:
    traffic = EnvoyTraffic(folder=tmp_path, public_port=1, preview_port=2, admin_socket=tmp_path / "none.sock")
    traffic.prepare()
    text = (tmp_path / "routes.json").read_text()
    questions: tuple[Callable[[], object], ...] = (
        traffic.view,
        traffic.counters,
        traffic.rehearse_shift,
        traffic.leave_maintenance,
        lambda: traffic.shift(BLUE),
        lambda: traffic.drained(Colour.BLUE, within=timedelta(seconds=1)),
    )
    for question in questions:
        with pytest.raises(TrafficUnavailable):
            question()
    assert (tmp_path / "routes.json").read_text() == text
