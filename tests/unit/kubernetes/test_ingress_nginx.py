"""What limits, deny lists and maintenance are filed as for ingress-nginx, and what is read of it."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unioneyes.adapters.kubernetes.client import Cluster
from unioneyes.adapters.kubernetes.ingress_nginx import (
    BURST,
    DENIED,
    LIMITS,
    SNIPPET,
    IngressAnnotations,
    IngressMaintenance,
    IngressNginxEdge,
    deny_annotations,
    limit_annotations,
    read_denied,
    read_limit,
    read_snippet,
    snippet,
)
from unioneyes.ports.edge import STRICT, BadLimit, EdgeUnavailable, OwnNetwork, RateLimit, collapsed

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
PER_SECOND, PER_MINUTE = LIMITS[SECOND], LIMITS[MINUTE]
NETWORKS = st.lists(
    st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 32)).map(lambda drawn: IPv4Network(drawn, strict=False))
    | st.tuples(st.integers(0, 2**128 - 1), st.integers(0, 128)).map(lambda drawn: IPv6Network(drawn, strict=False)),
    max_size=8,
)
INGRESS = IngressAnnotations(cluster=Cluster(namespace="production"), name="unioneyes-web", members_url="http://127.0.0.1:9/")


def filed(*said: dict[str, str | None]) -> dict[str, str]:
    """What stands in an Ingress after these changes."""
    return {name: value for each in said for name, value in each.items() if value is not None}


@given(st.none() | st.builds(RateLimit, requests=st.integers(1, 999_999_999), per=st.sampled_from([SECOND, MINUTE])))
def test_a_limit_is_read_as_it_is_filed(limit: RateLimit | None) -> None:
    assert read_limit(filed(dict(limit_annotations(limit)))) == limit


def test_a_limit_takes_the_place_of_the_other_one() -> None:
    assert limit_annotations(STRICT) == {PER_SECOND: "20", PER_MINUTE: None, BURST: "1"}
    assert limit_annotations(RateLimit(requests=3, per=MINUTE)) == {PER_SECOND: None, PER_MINUTE: "3", BURST: "1"}
    assert limit_annotations(None) == {PER_SECOND: None, PER_MINUTE: None, BURST: None}


def test_a_limit_by_the_hour_is_refused_in_words_and_when_it_is_planned() -> None:
    with pytest.raises(BadLimit, match="5 requests an hour can't be a limit here: ingress-nginx counts by the second or the minute"):
        IngressNginxEdge(ingress=INGRESS).describe_limit(RateLimit(requests=5, per=HOUR))
    with pytest.raises(BadLimit):
        limit_annotations(RateLimit(requests=0, per=SECOND))


@pytest.mark.parametrize(
    ("annotations", "limit"),
    [
        ({PER_SECOND: "10", PER_MINUTE: "60"}, RateLimit(requests=60, per=MINUTE)),
        ({PER_SECOND: "1", PER_MINUTE: "600"}, RateLimit(requests=1, per=SECOND)),
        ({PER_SECOND: "0"}, None),
        ({PER_SECOND: "many"}, None),
        ({PER_SECOND: "-3"}, None),
        ({BURST: "1"}, None),
    ],
)
def test_of_what_somebody_else_filed_the_limit_is_read_that_counts(annotations: dict[str, str], limit: RateLimit | None) -> None:
    assert read_limit(annotations) == limit


@given(NETWORKS)
def test_a_deny_list_is_read_as_it_is_filed(networks: list[IPv4Network | IPv6Network]) -> None:
    wanted = collapsed(networks)
    assert read_denied(filed(dict(deny_annotations(wanted)))) == wanted


def test_a_deny_list_is_networks_between_commas_and_is_gone_where_it_is_empty() -> None:
    assert deny_annotations((ip_network("192.0.2.7"), ip_network("2001:db8::/32"))) == {DENIED: "192.0.2.7/32,2001:db8::/32"}
    assert deny_annotations(()) == {DENIED: None}
    assert read_denied({DENIED: "198.51.100.9, 192.0.2.5/24"}) == (ip_network("192.0.2.0/24"), ip_network("198.51.100.9"))
    with pytest.raises(EdgeUnavailable, match="attacker"):
        read_denied({DENIED: "attacker.example.org"})


@given(st.integers(1, 100_000))
def test_maintenance_is_read_as_it_is_filed(seconds: int) -> None:
    assert read_snippet({SNIPPET: snippet(timedelta(seconds=seconds))}) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "said", ["", "return 503;", "add_header Retry-After 60 always; return 503; more_set_headers x;", "add_header Retry-After soon always; return 503;"]
)
def test_another_ones_snippet_is_no_maintenance_of_ours(said: str) -> None:
    assert read_snippet({SNIPPET: said}) is None


def test_a_person_types_annotations() -> None:
    edge = IngressNginxEdge(ingress=INGRESS)
    begins = "kubectl -n production annotate ingress unioneyes-web --overwrite"
    of = "nginx.ingress.kubernetes.io"
    assert edge.describe_limit(STRICT) == (f"{begins} {of}/limit-rps=20 {of}/limit-rpm- {of}/limit-burst-multiplier=1",)
    assert edge.describe_limit(None) == (f"{begins} {of}/limit-rps- {of}/limit-rpm- {of}/limit-burst-multiplier-",)
    assert edge.describe_deny((ip_network("192.0.2.0/25"), ip_network("192.0.2.128/25"))) == (f"{begins} {of}/denylist-source-range=192.0.2.0/24",)
    assert edge.describe_deny(()) == (f"{begins} {of}/denylist-source-range-",)
    maintenance = IngressMaintenance(ingress=INGRESS)
    assert maintenance.describe(on=True) == (f"{begins} '{of}/configuration-snippet=add_header Retry-After 30 always; return 503;'",)
    assert maintenance.describe(on=False) == (f"{begins} {of}/configuration-snippet-",)


def test_our_own_are_refused_before_anybody_is_asked() -> None:
    with pytest.raises(OwnNetwork):
        IngressNginxEdge(ingress=INGRESS, own=(ip_network("10.0.0.0/8"),)).deny((ip_network("10.1.0.0/16"),))
