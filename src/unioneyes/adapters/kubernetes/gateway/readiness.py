"""Whether a colour can be led to, and whether it is left alone: asked of the cluster and of each proxy."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from lightkube.models.discovery_v1 import EndpointConditions
from lightkube.resources.discovery_v1 import EndpointSlice

from unioneyes.adapters.kubernetes.client import Cluster
from unioneyes.adapters.kubernetes.gateway.counters import known, requests_begun
from unioneyes.adapters.kubernetes.gateway.proxies import Proxies
from unioneyes.kernel.cancelling import sleep
from unioneyes.kernel.units import format_duration
from unioneyes.ports.traffic import Colour, NoHealthyReplica, TrafficUnavailable

_KNOWN_LIMIT = timedelta(seconds=10)
_SILENCE_LIMIT = timedelta(seconds=3)
_POLL_SECONDS = 0.01
_AT_ONCE = 4
_SILENCE_SECONDS = 0.03
"""Between two looks at a colour's counters: a worker of a proxy takes new routes within less."""


def require_replicas(cluster: Cluster, proxies: Proxies, colours: tuple[Colour, ...]) -> tuple[str, ...]:
    """Return the proxies' pods: each colour has a replica that is ready, and each of them knows one. Raises: NoHealthyReplica, TrafficUnavailable."""
    with ThreadPoolExecutor(_AT_ONCE) as asking:  # between a person's word and the first new answer, each question in turn would be time
        led = {each: asking.submit(_leads_to_one, cluster, proxies.names.service(each)) for each in colours}
        pods = asking.submit(proxies.ready).result()
        began = time.monotonic()
        while True:
            for colour, found in led.items():
                if not found.result():
                    why = f"the Service {proxies.names.service(colour)} has no endpoint that is ready; the routes were left as they are"
                    raise no_replica(colour, why)
            if (unknown := _unknown(proxies, colours, pods, asking)) is None:
                return pods
            if time.monotonic() > began + _KNOWN_LIMIT.total_seconds():
                raise no_replica(unknown, f"a proxy knows none after {format_duration(_KNOWN_LIMIT)}; the routes were left as they are")
            sleep(_POLL_SECONDS)
            led = {unknown: asking.submit(_leads_to_one, cluster, proxies.names.service(unknown))}  # its last one may have gone meanwhile


def await_silence(proxies: Proxies, colours: tuple[Colour, ...], pods: tuple[str, ...]) -> None:
    """Nothing reaches these colours' members' clusters any more, by the proxies' own counters. Raises: TrafficUnavailable."""
    names = [name for colour in colours for name in proxies.clusters.members[colour]]
    began = time.monotonic()
    before = -1
    while (begun := requests_begun(proxies.counted(pods), names)) != before:
        if time.monotonic() > began + _SILENCE_LIMIT.total_seconds():
            raise TrafficUnavailable(what="the proxies confirm the new routes, and still send requests by the old ones", remedy="ue deploy status; try again")
        before = begun
        time.sleep(_SILENCE_SECONDS)


def no_replica(colour: Colour, why: str) -> NoHealthyReplica:
    """Return the refusal to lead to a colour."""
    return NoHealthyReplica(
        what=f"{colour} has no healthy replica, so it gets no requests: {why}", remedy="ue env status shows the replicas, and what is wrong"
    )


def _leads_to_one(cluster: Cluster, service: str) -> bool:
    """Return whether the Service has an endpoint that is ready."""
    slices = cluster.list(EndpointSlice, labels={"kubernetes.io/service-name": service})
    return any(_ready(endpoint.conditions) for each in slices for endpoint in each.endpoints or ())


def _unknown(proxies: Proxies, colours: tuple[Colour, ...], pods: tuple[str, ...], asking: ThreadPoolExecutor) -> Colour | None:
    """Return a colour of which a proxy knows no replica; None where each proxy knows one of each."""
    counted = asking.submit(proxies.counted, pods)
    running, texts = proxies.running(pods), counted.result()
    for colour in colours:
        routed = all(colour in each.routed for one in running for each in one.members)
        if not routed or not all(known(text, name) for text in texts for name in proxies.clusters.members[colour]):
            return colour
    return None


def _ready(conditions: EndpointConditions | None) -> bool:
    """Return whether the endpoint takes requests. Source: EndpointConditions, "nil should be interpreted as true"."""
    return conditions is None or (conditions.ready is not False and not conditions.terminating)
