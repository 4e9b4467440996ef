"""Envoy's counters, from Prometheus' text to values. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from datetime import datetime

from unioneyes.ports.traffic import Colour, ColourCounters, Counters

METRICS = ("upstream_rq_[2345]xx", "upstream_rq_time", "upstream_rq_active", "membership_healthy", "membership_total")
"""Names of what is read of each colour, as Envoy's filter takes them."""

_LINE = re.compile(r"^envoy_cluster_(?P<name>\w+)\{(?P<labels>[^}]*)\} (?P<value>\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')


def parse_counters(text: str, *, at: datetime) -> Counters:
    """Return the counters in `text`. What Envoy has not counted yet is 0."""
    values: dict[Colour, dict[str, int]] = {colour: defaultdict(int) for colour in Colour}
    buckets: dict[Colour, list[tuple[float, int]]] = {colour: [] for colour in Colour}
    for line in _LINE.finditer(text):
        labels = dict(_LABEL.findall(line["labels"]))
        cluster, value = labels.get("envoy_cluster_name"), int(float(line["value"]))
        if cluster not in values:
            continue
        colour = Colour(cluster)
        match line["name"]:
            case "upstream_rq_xx":
                values[colour][f"{labels['envoy_response_code_class']}xx"] = value
            case "upstream_rq_time_bucket":
                buckets[colour].append((float(labels["le"]), value))
            case name:
                values[colour][name] = value
    return Counters(at=at, blue=_colour(values[Colour.BLUE], buckets[Colour.BLUE]), green=_colour(values[Colour.GREEN], buckets[Colour.GREEN]))


def _colour(values: dict[str, int], buckets: list[tuple[float, int]]) -> ColourCounters:
    return ColourCounters(
        answers_2xx=values["2xx"],
        answers_3xx=values["3xx"],
        answers_4xx=values["4xx"],
        answers_5xx=values["5xx"],
        active=values["upstream_rq_active"],
        healthy=values["membership_healthy"],
        replicas=values["membership_total"],
        latency=tuple(sorted((bound, count) for bound, count in buckets if bound != float("inf"))),
        timed=values["upstream_rq_time_count"],
    )
