"""The promises of the port, whichever world keeps them: each world's tests inherit these, and give a fixture `edge`."""

from __future__ import annotations

import json
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from tests.contract.processes.conftest import PATIENCE, eventually
from tests.contract.traffic.load import load
from tests.contract.traffic.world import World
from unioneyes.ports.traffic import Colour, ColourCounters, NoHealthyReplica, RoutesRejected, Weights

BLUE, GREEN = Weights.all_to(Colour.BLUE), Weights.all_to(Colour.GREEN)


def settled(edge: World, colour: Colour) -> ColourCounters:
    """Return the counters of a colour when the histogram, which lags behind, has taken in what was answered before."""
    before = None
    while before != (now := edge.traffic.counters().of(colour)):
        before = now
        time.sleep(1.2)  # more than the interval at which Envoy merges its histograms
    return now


class TrafficPromises:
    """What every adapter of the port does."""

    def test_before_the_first_deployment_members_are_told_so(self, edge: World) -> None:
        answer = edge.get("/api/claims")
        assert (answer.status, answer.headers["content-type"]) == (503, "application/problem+json")
        assert json.loads(answer.body)["title"] == "nothing deployed"
        assert edge.traffic.view().weights == Weights()

    def test_a_shift_is_confirmed_before_it_returns(self, edge: World) -> None:
        for weights, version in ((BLUE, "blue"), (GREEN, "green"), (BLUE, "blue")):
            shifted = edge.traffic.shift(weights)
            assert edge.get().version == version
            assert shifted.weights == edge.traffic.view().weights == weights
            assert shifted.revision == edge.traffic.view().revision
            assert edge.traffic.view().in_force

    def test_a_shift_to_where_the_traffic_is_changes_nothing(self, edge: World) -> None:
        before = edge.traffic.shift(BLUE)
        assert edge.traffic.shift(BLUE).revision == before.revision

    def test_every_change_of_the_routes_has_another_revision(self, edge: World) -> None:
        seen = [edge.traffic.shift(weights).revision for weights in (BLUE, GREEN, BLUE, Weights(blue=90, green=10))]
        assert len(set(seen)) == len(seen)

    def test_weights_are_shares_of_the_requests(self, edge: World) -> None:
        edge.traffic.shift(Weights(blue=50, green=50))
        answered = Counter(edge.get().version for _ in range(60))
        assert set(answered) == {"blue", "green"}

    def test_switching_under_load_loses_nothing_and_leaves_the_old_colour_at_once(self, edge: World) -> None:
        edge.traffic.shift(BLUE)
        with load(edge.members) as asked:
            for weights, new in ((GREEN, "green"), (BLUE, "blue"), (Weights(blue=50, green=50), None), (GREEN, "green"), (BLUE, "blue")):
                edge.traffic.shift(weights)
                assert new is None or edge.get().version == new
                asked.wait_for(600)
        assert set(asked.outcomes) == {"blue", "green"}
        assert asked.outcomes.total() >= 3000

    def test_a_colour_without_a_healthy_replica_gets_nothing(self, edge: World) -> None:
        before = edge.traffic.shift(BLUE)
        edge.remove(Colour.GREEN)
        for weights in (GREEN, Weights(blue=90, green=10)):
            with pytest.raises(NoHealthyReplica, match="green has no healthy replica"):
                edge.traffic.shift(weights)
        assert edge.traffic.view().revision == before.revision
        assert edge.get().version == "blue"

    def test_members_can_not_choose_a_colour(self, edge: World) -> None:
        edge.traffic.shift(BLUE)
        assert edge.get(headers={"x-preview": "green"}).version == "blue"

    @pytest.mark.parametrize("path", ["/metrics", "/metrics/", "/metrics?format=text", "//metrics", "/api/../metrics", "/%6detrics"])
    def test_members_can_not_read_the_metrics_and_operators_can(self, edge: World, path: str) -> None:
        edge.traffic.shift(BLUE)
        refused = edge.get(path)
        assert (refused.status, refused.headers["content-type"]) == (404, "application/problem+json")
        assert edge.get(path, preview=True, headers={"x-preview": "blue"}).version == "blue"
        assert edge.get("/metrics-of-the-union").version == "blue"

    def test_a_preview_reaches_the_colour_that_it_names_and_the_idle_one_without_a_name(self, edge: World) -> None:
        for weights, idle in ((Weights(), "blue"), (BLUE, "green"), (GREEN, "blue"), (Weights(blue=10, green=90), "blue")):
            edge.traffic.shift(weights)
            assert edge.get(preview=True).version == idle
            assert {edge.get(preview=True, headers={"x-preview": colour}).version for colour in ("blue", "green")} == {"blue", "green"}

    def test_the_service_sees_who_asks_and_a_request_id_that_clients_do_not_choose(self, edge: World) -> None:
        edge.traffic.shift(BLUE)
        answer = edge.get(headers={"x-real-ip": "192.0.2.1", "x-forwarded-for": "192.0.2.1", "x-request-id": "forged"})
        assert answer.saw["x-real-ip"] not in {"", "192.0.2.1"}
        assert answer.saw["x-request-id"] not in {"", "forged"}
        assert "x-preview" not in edge.get(preview=True, headers={"x-preview": "blue"}).saw

    def test_in_maintenance_members_are_told_when_to_come_back_and_previews_still_work(self, edge: World) -> None:
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

    def test_maintenance_under_load_answers_and_says_when_to_come_back(self, edge: World) -> None:
        edge.traffic.shift(BLUE)
        with load(edge.members) as asked:
            for _ in range(3):
                edge.traffic.enter_maintenance(retry_after=timedelta(minutes=1))
                asked.wait_for(100)
                edge.traffic.leave_maintenance()
                asked.wait_for(100)
        told = {
            outcome for outcome in asked.outcomes if outcome.startswith("503 after 60: ") and json.loads(outcome.partition(": ")[2])["title"] == "maintenance"
        }
        assert told
        assert set(asked.outcomes) - told == {"blue"}

    def test_a_shift_does_not_end_the_maintenance(self, edge: World) -> None:
        edge.traffic.shift(BLUE)
        edge.traffic.enter_maintenance(retry_after=timedelta(minutes=5))
        edge.traffic.shift(GREEN)
        edge.traffic.rehearse_shift()
        assert (edge.traffic.view().maintenance, edge.traffic.view().weights) == (True, GREEN)
        assert edge.get().headers["retry-after"] == "300"
        edge.traffic.leave_maintenance()
        assert edge.get().version == "green"

    def test_the_counters_are_what_the_clients_counted_and_previews_are_counted_apart(self, edge: World) -> None:
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
        assert (after.blue.healthy, after.blue.replicas, after.green.healthy, after.green.replicas) == (2, 2, 1, 1)
        eventually(lambda: edge.traffic.counters().blue.timed - before.timed == len(asked))

    def test_slow_answers_are_counted_above_the_limit(self, edge: World) -> None:
        edge.traffic.shift(GREEN)
        before = settled(edge, Colour.GREEN)
        edge.get("/slow/2.1")
        eventually(lambda: edge.traffic.counters().green.timed == before.timed + 1)
        after = edge.traffic.counters().green
        assert dict(after.latency)[2000.0] == dict(before.latency).get(2000.0, 0)

    def test_a_colour_is_drained_when_its_last_request_is_answered(self, edge: World) -> None:
        edge.traffic.shift(BLUE)
        with ThreadPoolExecutor() as pool:
            answer = pool.submit(edge.get, "/slow/6.0")
            eventually(lambda: edge.traffic.counters().blue.active == 1)
            edge.traffic.shift(GREEN)
            assert edge.traffic.drained(Colour.BLUE, within=timedelta(seconds=0.1)).left == 1
            assert edge.traffic.drained(Colour.BLUE, within=PATIENCE).left == 0
            assert answer.result().version == "blue"

    def test_routes_that_are_refused_leave_the_old_ones_in_force(self, edge: World) -> None:
        before = edge.traffic.shift(BLUE)
        with pytest.raises(RoutesRejected):
            edge.traffic.shift(Weights(blue=2**32 - 1, green=1))  # more than any data plane can add up
        assert edge.traffic.view().revision == before.revision
        assert edge.traffic.view().in_force
        assert edge.get().version == "blue"
        edge.traffic.shift(GREEN)
        assert edge.get().version == "green"

    @pytest.mark.parametrize("weights", [GREEN, Weights(blue=75, green=25), Weights()])
    def test_the_commands_that_a_person_would_type_do_the_same_shift(self, edge: World, weights: Weights) -> None:
        before = edge.traffic.shift(BLUE)
        for command in edge.traffic.describe_shift(weights):
            edge.type(command)
        eventually(lambda: edge.traffic.view().weights == weights)
        assert edge.traffic.view().revision != before.revision
        idle = "green" if weights.live is Colour.BLUE else "blue"
        eventually(lambda: edge.get(preview=True).version == idle)
        for command in edge.traffic.describe_maintenance(on=True):
            edge.type(command)
        eventually(lambda: edge.traffic.view().maintenance)
        assert edge.traffic.view().weights == weights
        for command in edge.traffic.describe_maintenance(on=False):
            edge.type(command)
        eventually(lambda: not edge.traffic.view().maintenance)

    def test_writers_at_the_same_time_take_turns_and_the_last_one_counts(self, edge: World) -> None:
        with ThreadPoolExecutor(max_workers=4) as pool:
            wanted = [BLUE, GREEN, Weights(blue=50, green=50), Weights(blue=10, green=90)] * 2
            shifted = list(pool.map(edge.traffic.shift, wanted))
            pool.submit(edge.traffic.enter_maintenance, retry_after=timedelta(minutes=1)).result()
        assert [each.weights for each in shifted] == wanted
        assert edge.traffic.view().maintenance
        edge.traffic.leave_maintenance()
        edge.traffic.shift(GREEN)
        assert edge.get().version == "green"

    def test_a_rehearsal_is_confirmed_and_changes_nothing(self, edge: World) -> None:
        before = edge.traffic.shift(BLUE)
        with load(edge.members) as asked:
            for _ in range(10):
                assert edge.traffic.rehearse_shift() > timedelta(0)
            asked.wait_for(200)
        assert set(asked.outcomes) == {"blue"}
        assert edge.traffic.view().revision == before.revision
