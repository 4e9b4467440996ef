"""What the proxies counted, from Prometheus' text to values: pure functions."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from unioneyes.adapters.kubernetes.gateway.routes import Names, backend_rules, preview_backend_rules
from unioneyes.adapters.kubernetes.gateway.running import cluster
from unioneyes.ports.traffic import Colour, ColourCounters, Counters

METRICS = ("upstream_rq_[2345]xx", "upstream_rq_time", "upstream_rq_active", "upstream_rq_total", "membership_healthy", "membership_total")
"""Names of what is read of each cluster, as Envoy's filter takes them."""

_LINE = re.compile(r"^envoy_cluster_(?P<name>\w+)\{(?P<labels>[^}]*)\} (?P<value>\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Clusters:
    """What Envoy Gateway calls the clusters in which each colour's requests are counted: its members', and its previews'."""

    members: Mapping[Colour, tuple[str, ...]]
    previews: Mapping[Colour, tuple[str, ...]]

    @classmethod
    def of(cls, namespace: str, names: Names) -> Clusters:
        """Return those of a service."""
        return cls(
            members={each: tuple(cluster(namespace, names.app, *at) for at in backend_rules(each)) for each in Colour},
            previews={each: tuple(cluster(namespace, names.preview, *at) for at in preview_backend_rules(each)) for each in Colour},
        )

    @property
    def filter(self) -> str:
        """What Envoy is asked for."""
        every = [re.escape(name) for of in (self.members, self.previews) for named in of.values() for name in named]
        return rf"^cluster\.({'|'.join(every)})\.({'|'.join(METRICS)})$"


@dataclass(slots=True)
class Counted:
    """What one cluster of one proxy counted. What it has not counted yet is 0."""

    values: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    buckets: dict[float, int] = field(default_factory=dict)
    """Answers at or below a bound, in milliseconds; the infinite one is left out."""


def parse(text: str) -> dict[str, Counted]:
    """Return what one proxy counted, by cluster."""
    found: defaultdict[str, Counted] = defaultdict(Counted)
    for line in _LINE.finditer(text):
        labels = dict(_LABEL.findall(line["labels"]))
        counted, value = found[labels.get("envoy_cluster_name", "")], int(float(line["value"]))
        match line["name"]:
            case "upstream_rq_xx":
                counted.values[f"{labels['envoy_response_code_class']}xx"] = value
            case "upstream_rq_time_bucket":
                counted.buckets[float(labels["le"])] = value
            case name:
                counted.values[name] = value
    return found


def read_counters(texts: Iterable[str], clusters: Clusters, *, at: datetime) -> Counters:
    """Return the sums over all proxies. A proxy that was restarted begins at 0, so the sums fall."""
    proxies = [parse(text) for text in texts]
    return Counters(
        at=at,
        blue=_total(proxies, clusters.members[Colour.BLUE]),
        green=_total(proxies, clusters.members[Colour.GREEN]),
        preview_blue=_total(proxies, clusters.previews[Colour.BLUE]),
        preview_green=_total(proxies, clusters.previews[Colour.GREEN]),
    )


def requests_begun(texts: Iterable[str], clusters: Iterable[str]) -> int:
    """Return how many requests the proxies have sent to replicas in these clusters."""
    wanted = tuple(clusters)
    return sum(proxy[name].values["upstream_rq_total"] for proxy in map(parse, texts) for name in wanted)


def known(text: str, name: str) -> int:
    """Return how many healthy replicas a proxy knows in a cluster."""
    return parse(text)[name].values["membership_healthy"]


def _total(proxies: list[dict[str, Counted]], names: tuple[str, ...]) -> ColourCounters:
    seen = [proxy.get(name) or Counted() for proxy in proxies for name in names]
    own = [proxy.get(names[0]) or Counted() for proxy in proxies]  # every cluster of a colour has the same replicas
    bounds = sorted({bound for each in seen for bound in each.buckets if bound != float("inf")})

    def added(name: str) -> int:
        return sum(each.values[name] for each in seen)

    return ColourCounters(
        answers_2xx=added("2xx"),
        answers_3xx=added("3xx"),
        answers_4xx=added("4xx"),
        answers_5xx=added("5xx"),
        active=added("upstream_rq_active"),
        healthy=min((each.values["membership_healthy"] for each in own), default=0),
        replicas=max((each.values["membership_total"] for each in own), default=0),
        latency=tuple((bound, sum(each.buckets.get(bound, 0) for each in seen)) for bound in bounds),
        timed=added("upstream_rq_time_count"),
    )
