from __future__ import annotations

import json
import re
from datetime import timedelta
from ipaddress import ip_network

import pytest
from hypothesis import given
from pydantic import JsonValue

from tests.unit.gateway.test_routes import ROUTES
from unioneyes.adapters.kubernetes.gateway.edge_running import Letting, read_letting
from unioneyes.adapters.kubernetes.gateway.routes import NAMES, Mark, Previews, Routes, preview_rules, rules
from unioneyes.adapters.kubernetes.gateway.running import read_running
from unioneyes.ports.edge import RateLimit
from unioneyes.ports.traffic import Colour, Weights

NAMESPACE = "unioneyes"
BLUE = Weights.all_to(Colour.BLUE)
READY = frozenset(Colour)


def translated(listed: list[JsonValue], route: str, *, ready: frozenset[Colour] = READY, filters: JsonValue = None) -> list[JsonValue]:
    """Return the routes that Envoy Gateway makes of an HTTPRoute's rules, as far as they are read."""
    made: list[JsonValue] = []
    for index, rule in enumerate(listed):
        assert isinstance(rule, dict)
        text = json.dumps(rule)
        prefix = f"httproute/{NAMESPACE}/{route}/rule/{index}"
        headers: JsonValue = [{"name": name, "string_match": {"exact": "blue"}} for name in re.findall(r'"name": "(x-unioneyes-off|x-preview)", "value"', text)]
        sets: JsonValue = [
            {"header": {"key": key, "value": value}} for key, value in re.findall(r'"name": "(Retry-After|x-unioneyes-routes)", "value": "([^"]*)"', text)
        ]
        backends = rule.get("backendRefs", [])
        assert isinstance(backends, list)
        clusters: list[JsonValue] = []
        for at, backend in enumerate(backends):
            assert isinstance(backend, dict)
            if any(backend["name"] == NAMES.service(colour) for colour in ready):
                clusters.append({"name": f"{prefix}/backend/{at}", "weight": backend["weight"]})
        leads: dict[str, JsonValue] = {"route": {"weighted_clusters": {"clusters": clusters}}} if clusters else {"direct_response": {"status": 503}}
        per_filter: JsonValue = filters if clusters else {}
        made.append(
            {
                "name": f"{prefix}/match/0/*",
                "match": {"prefix": "/", "headers": headers},
                "response_headers_to_add": sets,
                "typed_per_filter_config": per_filter or {},
                **leads,
            }
        )
    return made


def dump(*hosts: list[JsonValue]) -> str:
    return json.dumps({"configs": [{"route_config": {"virtual_hosts": [{"name": "any", "domains": ["*"], "routes": routes}]}} for routes in hosts]})


def running(state: Routes, *, ready: frozenset[Colour] = READY, others: list[JsonValue] | None = None) -> str:
    return dump([*(others or []), *translated(rules(state, NAMES), NAMES.app, ready=ready)])


@given(ROUTES)
def test_what_a_proxy_runs_is_what_was_written(state: Routes) -> None:
    (found,) = read_running(running(state), NAMESPACE, NAMES).members
    assert (found.routes, found.routes.mark) == (state, state.mark)
    assert found.routed == READY
    assert found.maintainable


def test_what_a_proxy_runs_of_previews_is_what_was_written() -> None:
    state = Previews(idle=Colour.GREEN, mark=Mark(change="1a", written="2b"))
    text = dump(translated(preview_rules(state, NAMES), NAMES.preview))
    (found,) = read_running(text, NAMESPACE, NAMES).previews
    assert (found.idle, found.mark) == (state.idle, state.mark)


def test_a_colour_without_replicas_is_led_to_by_no_rule() -> None:
    (found,) = read_running(running(Routes(weights=BLUE), ready=frozenset({Colour.GREEN})), NAMESPACE, NAMES).members
    assert (found.routes.weights, found.routed) == (BLUE, frozenset({Colour.GREEN}))


def test_the_shape_is_of_what_matches_what_and_not_of_replicas_that_come_and_go() -> None:
    state = Routes(weights=BLUE, mark=Mark(change="1a", written="1a"))
    (before,) = read_running(running(state), NAMESPACE, NAMES).members
    (bare,) = read_running(running(state, ready=frozenset()), NAMESPACE, NAMES).members
    anew = Routes(weights=BLUE, mark=Mark(change="1a", written="2b"))
    (rehearsed,) = read_running(running(anew), NAMESPACE, NAMES).members
    foreign: list[JsonValue] = [{"name": "httproute/other/api/rule/0/match/0/*", "match": {"prefix": "/api"}}]
    (beside,) = read_running(running(state, others=foreign), NAMESPACE, NAMES).members
    assert before.shape == bare.shape == rehearsed.shape != beside.shape


def test_each_listener_has_its_own_routes() -> None:
    one, other = (translated(rules(Routes(weights=BLUE, maintenance=on), NAMES), NAMES.app) for on in (True, False))
    assert [each.routes.maintenance for each in read_running(dump(one, other), NAMESPACE, NAMES).members] == [True, False]


def test_a_proxy_without_our_routes_runs_none() -> None:
    found = read_running(dump([]), NAMESPACE, NAMES)
    assert (found.members, found.previews) == ((), ())


@pytest.mark.parametrize("text", ["", "[]", '{"configs": 3}'])
def test_a_description_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="form"):
        read_running(text, NAMESPACE, NAMES)


def test_routes_of_which_some_are_missing_are_none_of_ours() -> None:
    some = translated(rules(Routes(weights=BLUE), NAMES), NAMES.app)[:4]
    with pytest.raises(ValueError, match="lacks"):
        read_running(dump(some), NAMESPACE, NAMES)


def test_what_is_let_in_is_read_of_each_route_that_leads_to_replicas() -> None:
    bucket: JsonValue = {"token_bucket": {"max_tokens": 20, "tokens_per_fill": 20, "fill_interval": "60s"}}
    filters: JsonValue = {
        "envoy.filters.http.local_ratelimit": {"descriptors": [bucket, bucket]},
        "envoy.filters.http.rbac": {
            "rbac": {"matcher": {"any": [{"ranges": [{"address_prefix": "192.0.2.0", "prefix_len": 24}, {"address_prefix": "2001:db8::", "prefix_len": 32}]}]}}
        },
    }
    listed = rules(Routes(weights=BLUE), NAMES)
    limited = Letting(limit=RateLimit(requests=20, per=timedelta(minutes=1)), denied=frozenset(map(ip_network, ("192.0.2.0/24", "2001:db8::/32"))))
    assert read_letting(dump(translated(listed, NAMES.app, filters=filters)), NAMESPACE, NAMES) == {limited}
    assert read_letting(dump(translated(listed, NAMES.app)), NAMESPACE, NAMES) == {Letting(limit=None, denied=frozenset())}
