from __future__ import annotations

import re
from datetime import UTC, datetime

from unioneyes.adapters.kubernetes.gateway.counters import Clusters, known, read_counters, requests_begun
from unioneyes.adapters.kubernetes.gateway.routes import NAMES
from unioneyes.ports.traffic import Colour

CLUSTERS = Clusters.of("unioneyes", NAMES)
AT = datetime(2026, 2, 9, 12, tzinfo=UTC)
ALONE, SPLIT = "httproute/unioneyes/unioneyes-web/rule/3/backend/0", "httproute/unioneyes/unioneyes-web/rule/5/backend/0"
PREVIEW = "httproute/unioneyes/unioneyes-web-preview/rule/0/backend/0"


def said(cluster: str, *, ok: int, failed: int = 0, healthy: int = 2) -> str:
    label = f'envoy_cluster_name="{cluster}"'
    return "\n".join(
        (
            f'envoy_cluster_upstream_rq_xx{{envoy_response_code_class="2",{label}}} {ok}',
            f'envoy_cluster_upstream_rq_xx{{envoy_response_code_class="5",{label}}} {failed}',
            f"envoy_cluster_upstream_rq_total{{{label}}} {ok + failed}",
            f"envoy_cluster_upstream_rq_active{{{label}}} 1",
            f"envoy_cluster_membership_healthy{{{label}}} {healthy}",
            f"envoy_cluster_membership_total{{{label}}} 2",
            f'envoy_cluster_upstream_rq_time_bucket{{{label},le="10"}} {ok}',
            f'envoy_cluster_upstream_rq_time_bucket{{{label},le="2000"}} {ok + failed}',
            f'envoy_cluster_upstream_rq_time_bucket{{{label},le="+Inf"}} {ok + failed}',
            f"envoy_cluster_upstream_rq_time_count{{{label}}} {ok + failed}",
            "",
        )
    )


def test_a_colour_is_what_all_proxies_counted_of_all_its_clusters() -> None:
    counters = read_counters((said(ALONE, ok=10, failed=1) + said(SPLIT, ok=5), said(ALONE, ok=3, healthy=1)), CLUSTERS, at=AT)
    blue = counters.of(Colour.BLUE)
    assert (blue.answers_2xx, blue.answers_5xx, blue.answers, blue.active, blue.timed) == (18, 1, 19, 3, 19)
    assert blue.latency == ((10.0, 18), (2000.0, 19))
    assert (counters.green.answers, counters.green.replicas, counters.green.latency) == (0, 0, ())


def test_healthy_is_what_the_proxy_that_knows_fewest_says() -> None:
    counters = read_counters((said(ALONE, ok=1, healthy=2), said(ALONE, ok=1, healthy=1)), CLUSTERS, at=AT)
    assert (counters.blue.healthy, counters.blue.replicas) == (1, 2)
    assert (known(said(ALONE, ok=1, healthy=1), ALONE), known("", ALONE)) == (1, 0)


def test_previews_are_counted_apart() -> None:
    counters = read_counters((said(PREVIEW, ok=7),), CLUSTERS, at=AT)
    assert (counters.blue.answers, counters.preview_of(Colour.BLUE).answers, counters.preview_of(Colour.GREEN).answers) == (0, 7, 0)


def test_a_proxy_that_was_restarted_is_seen_as_a_fall() -> None:
    before = read_counters((said(ALONE, ok=100), said(ALONE, ok=100)), CLUSTERS, at=AT)
    after = read_counters((said(ALONE, ok=110), said(ALONE, ok=1)), CLUSTERS, at=AT)
    assert after.blue.answers < before.blue.answers


def test_requests_are_counted_when_they_begin() -> None:
    texts = (said(ALONE, ok=4, failed=1), said(SPLIT, ok=2))
    assert requests_begun(texts, CLUSTERS.members[Colour.BLUE]) == 7
    assert requests_begun(texts, CLUSTERS.members[Colour.GREEN]) == 0


def test_envoy_is_asked_for_what_is_read_and_for_nothing_else() -> None:
    asked = re.compile(CLUSTERS.filter)
    for cluster in (*CLUSTERS.members[Colour.GREEN], *CLUSTERS.previews[Colour.BLUE]):
        assert asked.match(f"cluster.{cluster}.upstream_rq_5xx")
        assert asked.match(f"cluster.{cluster}.membership_healthy")
    assert not asked.match("cluster.httproute/unioneyes/unioneyes-web/rule/30/backend/0.upstream_rq_5xx")
    assert not asked.match("cluster.xds_cluster.upstream_rq_5xx")
