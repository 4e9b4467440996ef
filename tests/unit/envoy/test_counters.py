from datetime import UTC, datetime

from unioneyes.adapters.envoy.counters import parse_counters
from unioneyes.ports.traffic import Colour

AT = datetime(2026, 2, 9, 14, 30, tzinfo=UTC)
SCRAPE = """\
# TYPE envoy_cluster_upstream_rq_xx counter
envoy_cluster_upstream_rq_xx{envoy_response_code_class="2",envoy_cluster_name="blue"} 70
envoy_cluster_upstream_rq_xx{envoy_response_code_class="4",envoy_cluster_name="blue"} 2
envoy_cluster_upstream_rq_xx{envoy_response_code_class="5",envoy_cluster_name="blue"} 3
envoy_cluster_upstream_rq_xx{envoy_response_code_class="2",envoy_cluster_name="preview_blue"} 999
# TYPE envoy_cluster_upstream_rq_active gauge
envoy_cluster_upstream_rq_active{envoy_cluster_name="blue"} 4
envoy_cluster_membership_healthy{envoy_cluster_name="blue"} 1
envoy_cluster_membership_total{envoy_cluster_name="blue"} 2
# TYPE envoy_cluster_upstream_rq_time histogram
envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="blue",le="1"} 50
envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="blue",le="7.5"} 74
envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="blue",le="+Inf"} 75
envoy_cluster_upstream_rq_time_sum{envoy_cluster_name="blue"} 123.5
envoy_cluster_upstream_rq_time_count{envoy_cluster_name="blue"} 75
"""


def test_each_colour_has_its_own_counters_and_previews_are_apart() -> None:
    counters = parse_counters(SCRAPE, at=AT)
    blue = counters.blue
    assert (counters.preview_of(Colour.BLUE).answers, counters.preview_of(Colour.GREEN).answers) == (999, 0)
    assert (blue.answers_2xx, blue.answers_3xx, blue.answers_4xx, blue.answers_5xx, blue.answers) == (70, 0, 2, 3, 75)
    assert (blue.active, blue.healthy, blue.replicas) == (4, 1, 2)


def test_the_histogram_has_finite_bounds_and_the_number_of_all() -> None:
    blue = parse_counters(SCRAPE, at=AT).blue
    assert blue.latency == ((1.0, 50), (7.5, 74))
    assert blue.timed == 75


def test_what_was_never_counted_is_zero() -> None:
    counters = parse_counters("", at=AT)
    assert counters.at == AT
    assert counters.green.answers == counters.green.healthy == counters.green.timed == 0
    assert counters.green.latency == ()
