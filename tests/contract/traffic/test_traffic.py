from __future__ import annotations

import json
import os
import shlex
import signal
import stat
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from tests.contract.processes.conftest import PATIENCE, eventually
from tests.contract.traffic.conftest import Edge
from tests.contract.traffic.load import MEMBERS, load
from unioneyes.adapters.envoy.traffic import EnvoyTraffic
from unioneyes.kernel.files import replace_file
from unioneyes.ports.traffic import Colour, ColourCounters, NoHealthyReplica, RoutesRejected, TrafficUnavailable, Weights

pytestmark = pytest.mark.stack
BLUE, GREEN = Weights.all_to(Colour.BLUE), Weights.all_to(Colour.GREEN)


def members(edge: Edge, colour: Colour) -> tuple[int, int]:
    counters = edge.traffic.counters().of(colour)
    return counters.healthy, counters.replicas


def settled(edge: Edge, colour: Colour) -> ColourCounters:
    """Return the counters of a colour when the histogram, which lags behind, has taken in what was answered before."""
    before = None
    while before != (now := edge.traffic.counters().of(colour)):
        before = now
        time.sleep(1.2)  # more than the interval at which Envoy merges its histograms
    return now


def test_before_the_first_deployment_members_are_told_so(edge: Edge) -> None:
    answer = edge.get("/api/claims")
    assert (answer.status, answer.headers["content-type"]) == (503, "application/problem+json")
    assert json.loads(answer.body)["title"] == "nothing deployed"
    assert edge.traffic.view().weights == Weights()


def test_a_shift_is_confirmed_before_it_returns(edge: Edge) -> None:
    for weights, version in ((BLUE, "blue"), (GREEN, "green"), (BLUE, "blue")):
        shifted = edge.traffic.shift(weights)
        assert edge.get().version == version
        assert shifted.weights == edge.traffic.view().weights == weights
        assert shifted.revision == edge.traffic.view().revision


def test_a_shift_to_where_the_traffic_is_changes_nothing(edge: Edge) -> None:
    before, file = edge.traffic.shift(BLUE), edge.folder / "routes.json"
    written = file.stat()
    assert edge.traffic.shift(BLUE).revision == before.revision
    assert os.path.samestat(file.stat(), written)


def test_every_change_of_the_routes_has_another_revision(edge: Edge) -> None:
    seen = [edge.traffic.shift(weights).revision for weights in (BLUE, GREEN, BLUE, Weights(blue=90, green=10))]
    assert len(set(seen)) == len(seen)


def test_weights_are_shares_of_the_requests(edge: Edge) -> None:
    edge.traffic.shift(Weights(blue=50, green=50))
    answered = Counter(edge.get().version for _ in range(60))
    assert set(answered) == {"blue", "green"}


def test_switching_under_load_loses_nothing_and_leaves_the_old_colour_at_once(edge: Edge) -> None:
    edge.traffic.shift(BLUE)
    with load(edge.traffic.public_port) as asked:
        for weights, new in ((GREEN, "green"), (BLUE, "blue"), (Weights(blue=50, green=50), None), (GREEN, "green"), (BLUE, "blue")):
            edge.traffic.shift(weights)
            assert new is None or edge.get().version == new
            asked.wait_for(600)
    assert set(asked.outcomes) == {"blue", "green"}
    assert asked.outcomes.total() >= 3000


def test_a_killed_replica_costs_no_request_that_may_be_repeated(edge: Edge) -> None:
    edge.traffic.shift(BLUE)
    with load(edge.traffic.public_port, post_share=1_000_000) as asked:
        asked.wait_for(200)
        os.kill(edge.pid("blue-2"), signal.SIGKILL)
        asked.wait_for(800)
    begun = asked.outcomes.pop("IncompleteRead(0 bytes read)", 0)  # its head was with the member already: nobody may ask that again
    assert set(asked.outcomes) == {"blue"}
    assert begun <= MEMBERS, "each member had one request under way"
    eventually(lambda: members(edge, Colour.BLUE) == (2, 2))


def test_a_colour_without_a_healthy_replica_gets_nothing(edge: Edge) -> None:
    before = edge.traffic.shift(BLUE)
    edge.traffic.publish(Colour.GREEN, ())
    for weights in (GREEN, Weights(blue=90, green=10)):
        with pytest.raises(NoHealthyReplica, match="green has no healthy replica"):
            edge.traffic.shift(weights)
    assert edge.traffic.view().revision == before.revision
    assert edge.get().version == "blue"


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


def test_members_can_not_choose_a_colour(edge: Edge) -> None:
    edge.traffic.shift(BLUE)
    assert edge.get(headers={"x-preview": "green"}).version == "blue"


@pytest.mark.parametrize("path", ["/metrics", "/metrics/", "/metrics?format=text", "//metrics", "/api/../metrics", "/%6detrics"])
def test_members_can_not_read_the_metrics_and_operators_can(edge: Edge, path: str) -> None:
    edge.traffic.shift(BLUE)
    refused = edge.get(path)
    assert (refused.status, refused.headers["content-type"]) == (404, "application/problem+json")
    assert edge.get(path, preview=True, headers={"x-preview": "blue"}).version == "blue"
    assert edge.get("/metrics-of-the-union").version == "blue"


def test_a_preview_reaches_the_colour_that_it_names_and_the_idle_one_without_a_name(edge: Edge) -> None:
    for weights, idle in ((Weights(), "blue"), (BLUE, "green"), (GREEN, "blue"), (Weights(blue=10, green=90), "blue")):
        edge.traffic.shift(weights)
        assert edge.get(preview=True).version == idle
        assert {edge.get(preview=True, headers={"x-preview": colour}).version for colour in ("blue", "green")} == {"blue", "green"}


def test_the_service_sees_the_clients_own_address_and_a_request_id_of_ours(edge: Edge) -> None:
    edge.traffic.shift(BLUE)
    answer = edge.get(headers={"x-real-ip": "192.0.2.1", "x-forwarded-for": "192.0.2.1", "x-request-id": "forged"})
    assert answer.saw["x-real-ip"] == "127.0.0.1"
    assert answer.saw["x-request-id"] == answer.headers["x-request-id"] != "forged"
    assert "x-preview" not in edge.get(preview=True, headers={"x-preview": "blue"}).saw


def test_in_maintenance_members_are_told_when_to_come_back_and_previews_still_work(edge: Edge) -> None:
    edge.traffic.shift(BLUE)
    assert edge.traffic.enter_maintenance(retry_after=timedelta(minutes=5)).maintenance
    answer = edge.get("/api/claims", method="POST")
    assert (answer.status, answer.headers["retry-after"]) == (503, "300")
    assert json.loads(answer.body)["title"] == "maintenance"
    assert edge.get(preview=True, headers={"x-preview": "blue"}).status == 200
    assert edge.traffic.enter_maintenance(retry_after=timedelta(minutes=1)).maintenance
    assert edge.get().headers["retry-after"] == "60"
    assert not edge.traffic.leave_maintenance().maintenance
    assert edge.get().version == "blue"


def test_a_shift_does_not_end_the_maintenance(edge: Edge) -> None:
    edge.traffic.shift(BLUE)
    edge.traffic.enter_maintenance(retry_after=timedelta(minutes=5))
    edge.traffic.shift(GREEN)
    edge.traffic.rehearse_shift()
    assert (edge.traffic.view().maintenance, edge.traffic.view().weights) == (True, GREEN)
    assert edge.get().headers["retry-after"] == "300"
    edge.traffic.leave_maintenance()
    assert edge.get().version == "green"


def test_the_counters_are_what_the_clients_counted_and_previews_are_counted_apart(edge: Edge) -> None:
    edge.traffic.shift(BLUE)
    before, at_first = settled(edge, Colour.BLUE), edge.traffic.counters()
    asked = [f"/status/{status}" for status in (200, 201, 302, 404, 404, 404, 500, 503)] * 5
    statuses = Counter(edge.get(path).status // 100 for path in asked)
    for _ in range(7):
        edge.get("/status/500", preview=True, headers={"x-preview": "blue"})
    after = edge.traffic.counters()
    counted = {
        2: after.blue.answers_2xx - before.answers_2xx,
        3: after.blue.answers_3xx - before.answers_3xx,
        4: after.blue.answers_4xx - before.answers_4xx,
        5: after.blue.answers_5xx - before.answers_5xx,
    }
    assert counted == statuses
    assert after.green == at_first.green
    assert after.preview_of(Colour.BLUE).answers_5xx == at_first.preview_of(Colour.BLUE).answers_5xx + 7
    assert after.preview_of(Colour.GREEN) == at_first.preview_of(Colour.GREEN)
    eventually(lambda: edge.traffic.counters().blue.timed - before.timed == len(asked))


def test_slow_answers_are_counted_above_the_limit(edge: Edge) -> None:
    edge.traffic.shift(GREEN)
    before = settled(edge, Colour.GREEN)
    edge.get("/slow/2.1")
    eventually(lambda: edge.traffic.counters().green.timed == before.timed + 1)
    after = edge.traffic.counters().green
    assert dict(after.latency)[2000.0] == dict(before.latency).get(2000.0, 0)


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


def test_a_colour_is_drained_when_its_last_request_is_answered(edge: Edge) -> None:
    edge.traffic.shift(BLUE)
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(edge.get, "/slow/1.0")
        eventually(lambda: edge.traffic.counters().blue.active == 1)
        edge.traffic.shift(GREEN)
        assert edge.traffic.drained(Colour.BLUE, within=timedelta(seconds=0.1)).left == 1
        assert edge.traffic.drained(Colour.BLUE, within=PATIENCE).left == 0
        assert answer.result().version == "blue"


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


@pytest.mark.parametrize("weights", [GREEN, Weights(blue=75, green=25), Weights()])
def test_the_commands_that_a_person_would_type_do_the_same_shift(edge: Edge, weights: Weights) -> None:
    before = edge.traffic.shift(BLUE)
    change, ask = edge.traffic.describe_shift(weights)
    subprocess.run(shlex.split(change), check=True, timeout=60)
    eventually(lambda: edge.traffic.view().weights == weights)
    assert edge.traffic.view().revision != before.revision
    assert str(edge.traffic.admin_socket) in ask
    idle = "green" if weights.live is Colour.BLUE else "blue"
    assert edge.get(preview=True).version == idle
    for command in edge.traffic.describe_maintenance(on=True)[:1]:
        subprocess.run(shlex.split(command), check=True, timeout=60)
    eventually(lambda: edge.traffic.view().maintenance)
    assert edge.traffic.view().weights == weights
    for command in edge.traffic.describe_maintenance(on=False)[:1]:
        subprocess.run(shlex.split(command), check=True, timeout=60)
    eventually(lambda: not edge.traffic.view().maintenance)


def test_writers_at_the_same_time_take_turns_and_the_last_one_counts(edge: Edge) -> None:
    with ThreadPoolExecutor(max_workers=8) as pool:
        wanted = [BLUE, GREEN, Weights(blue=50, green=50), Weights(blue=10, green=90)] * 10
        shifted = list(pool.map(edge.traffic.shift, wanted))
        pool.submit(edge.traffic.enter_maintenance, retry_after=timedelta(minutes=1)).result()
    assert [each.weights for each in shifted] == wanted
    assert edge.traffic.view().maintenance
    file = json.loads((edge.folder / "routes.json").read_text())
    assert file["resources"]
    edge.traffic.leave_maintenance()
    edge.traffic.shift(GREEN)
    assert edge.get().version == "green"


def test_a_rehearsal_is_confirmed_and_changes_nothing(edge: Edge) -> None:
    before = edge.traffic.shift(BLUE)
    with load(edge.traffic.public_port) as asked:
        for _ in range(20):
            assert edge.traffic.rehearse_shift() > timedelta(0)
        asked.wait_for(200)
    assert set(asked.outcomes) == {"blue"}
    assert edge.traffic.view().revision == before.revision


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
