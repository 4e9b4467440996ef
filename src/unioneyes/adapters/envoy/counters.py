"""Envoy's counters, from Prometheus' text to values. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime

from unioneyes.adapters.envoy.config import preview_cluster
from unioneyes.ports.traffic import Colour, ColourCounters, Counters

METRICS = ("upstream_rq_[2345]xx", "upstream_rq_time", "upstream_rq_active", "membership_healthy", "membership_total")
"""Names of what is read of each cluster, as Envoy's filter takes them."""

_LINE = re.compile(r"^envoy_cluster_(?P<name>\w+)\{(?P<labels>[^}]*)\} (?P<value>\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')


def parse_counters(text: str, *, at: datetime) -> Counters:
    """Return the counters in `text`. What Envoy has not counted yet is 0."""
    clusters = {cluster: _Cluster() for colour in Colour for cluster in (colour.value, preview_cluster(colour))}
    for line in _LINE.finditer(text):
        labels = dict(_LABEL.findall(line["labels"]))
        cluster, value = clusters.get(labels.get("envoy_cluster_name", "")), int(float(line["value"]))
        if cluster is None:
            continue
        match line["name"]:
            case "upstream_rq_xx":
                cluster.values[f"{labels['envoy_response_code_class']}xx"] = value
            case "upstream_rq_time_bucket":
                cluster.buckets.append((float(labels["le"]), value))
            case name:
                cluster.values[name] = value
    return Counters(
        at=at,
        blue=clusters[Colour.BLUE].counters(),
        green=clusters[Colour.GREEN].counters(),
        preview_blue=clusters[preview_cluster(Colour.BLUE)].counters(),
        preview_green=clusters[preview_cluster(Colour.GREEN)].counters(),
    )


@dataclass(slots=True)
class _Cluster:
    """What was read of one cluster so far."""

    values: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    buckets: list[tuple[float, int]] = field(default_factory=list)

    def counters(self) -> ColourCounters:
        return ColourCounters(
            answers_2xx=self.values["2xx"],
            answers_3xx=self.values["3xx"],
            answers_4xx=self.values["4xx"],
            answers_5xx=self.values["5xx"],
            active=self.values["upstream_rq_active"],
            healthy=self.values["membership_healthy"],
            replicas=self.values["membership_total"],
            latency=tuple(sorted((bound, count) for bound, count in self.buckets if bound != float("inf"))),
            timed=self.values["upstream_rq_time_count"],
        )
