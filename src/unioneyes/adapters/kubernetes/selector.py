"""The traffic port on a Service's selector, as the document switches: for clusters without the Gateway API.

New connections follow the selector; kept-alive ones stay with the replicas that they have. So those are told to send their clients away
(`POST /drain/connections`), and the switch is not done before they are asked nothing any more. Shares and maintenance need something that answers by itself: a
Gateway, or for maintenance the Ingress before the Service. Why so, with figures: docs/decisions, "traffic by routes".
"""

from __future__ import annotations

import hashlib
import json
import shlex
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TypeVar

from lightkube.models.discovery_v1 import Endpoint
from lightkube.resources.core_v1 import Service
from lightkube.resources.discovery_v1 import EndpointSlice
from pydantic import JsonValue

from unioneyes.adapters.kubernetes.client import Cluster
from unioneyes.adapters.kubernetes.drained import await_drained
from unioneyes.adapters.kubernetes.failures import ObjectMissing
from unioneyes.adapters.kubernetes.fencing import write
from unioneyes.adapters.kubernetes.ingress_nginx import IngressMaintenance
from unioneyes.kernel.cancelling import sleep
from unioneyes.kernel.clock import now
from unioneyes.kernel.problems import Problem, Unavailable
from unioneyes.kernel.units import format_duration
from unioneyes.ports.traffic import (
    Colour,
    ColourCounters,
    Counters,
    Drained,
    ForeignRoutes,
    NoHealthyReplica,
    NotOffered,
    RoutesRejected,
    TrafficShifted,
    TrafficUnavailable,
    TrafficView,
    Weights,
)

CHANGE = "unioneyes.app/traffic-change"
"""The annotation that names the last shift."""
AWAY = timedelta(minutes=10)
"""For which the old colour's replicas send their clients away: longer than members keep a connection that they do not use."""
NOBODY = "none"
"""The version that a selector names when nothing is to be led to."""
_FOLLOW_LIMIT, _SILENCE_LIMIT = timedelta(seconds=10), timedelta(seconds=60)
_POLL_SECONDS, _SILENCE_SECONDS = 0.05, 0.5
"""The second one is longer than the nodes take to lead new connections elsewhere (measured: 0.08 s, rarely 0.9), with two looks between."""
_AT_ONCE = 8
"""Pods that are asked at the same time."""
_SERVICE_NAME = "kubernetes.io/service-name"
_WITHIN = timedelta(seconds=3)
_NOTHING = ColourCounters(answers_2xx=0, answers_3xx=0, answers_4xx=0, answers_5xx=0, active=0, healthy=0, replicas=0, latency=(), timed=0)
_WHY = "a Service's selector leads to one colour, and answers nothing by itself"
_T = TypeVar("_T")
_GATEWAY = 'lead the traffic by a Gateway: k8s/components/envoy-gateway, and [cluster] traffic = "gateway"'
_INGRESS = "name the Ingress of an ingress-nginx: [cluster] ingress"


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectorTraffic:
    """Traffic by the selector of the Service `app`. A value: threads may share it."""

    cluster: Cluster
    read_counters: Callable[[str], ColourCounters]
    """What a replica counted of its members' requests, from its own text."""
    app: str = "unioneyes-web"
    private_port: int = 8001
    """Of a replica: where it says what it counted, and is told to send its clients away."""
    maintenance: IngressMaintenance | None = None
    """By the Ingress before the Service; None where nothing that is known answers by itself."""

    def require_means(self, *, shares: bool = False, maintenance: bool = False) -> None:
        """Return where no share is asked for, and maintenance only where an Ingress answers. Raises: NotOffered."""
        if shares:
            raise NotOffered(what=f"no share of the members can be led to a colour: {_WHY}", remedy=f"leave out --canary; or {_GATEWAY}")
        if maintenance and self.maintenance is None:
            raise NotOffered(what=f"members can't be told that there is maintenance: {_WHY}", remedy=f"do it without maintenance; or {_GATEWAY}; or {_INGRESS}")

    def view(self) -> TrafficView:
        """Return what the selector says now. A colour without any replica is led to by nobody. Raises: ForeignRoutes, TrafficUnavailable."""
        with suppress(ObjectMissing):
            service = self.cluster.get(Service, self.app)
            selected, change = _selector(service), ((service.metadata and service.metadata.annotations) or {}).get(CHANGE, "")
            colour = self._colour(selected)
            behind, standing = self._ready(self.app), self._endpoints(self.app)
            maintenance = self.maintenance is not None and self.maintenance.lasts()
            said = json.dumps([selected, change, *(["maintenance"] if maintenance else [])], sort_keys=True)
            revision = hashlib.sha256(said.encode()).hexdigest()[:12]
            return TrafficView(
                weights=Weights.all_to(colour if standing else None),
                maintenance=maintenance,
                revision=revision,
                in_force=colour is None or behind == self._ready(self._service(colour)),
            )
        raise ForeignRoutes(what=f"there is no Service {self.app}", remedy="kubectl apply --server-side -k k8s/overlays/<this environment's>")

    def shift(self, weights: Weights) -> TrafficShifted:
        """Everything follows `weights`, kept-alive connections too. Raises: NoHealthyReplica, RoutesRejected (nothing was changed), TrafficUnavailable."""
        if weights.split:
            raise RoutesRejected(what=f"{weights} can't be led to: {_WHY}", remedy=f"shift everything, or {_GATEWAY}")
        started = time.monotonic()
        to = weights.live
        if to is not None and not self._ready(self._service(to)):
            raise self._no_replica(to, f"the Service {self._service(to)} has no endpoint that is ready")
        before = self._point(to)
        if not self._followed(to) and to is not None:
            self._point(before)
            raise self._no_replica(to, "it lost its last one in this moment, and members are led as before")
        for colour in Colour:
            self._send_away(colour, timedelta() if colour is to else AWAY)
        self._await_silence(tuple(colour for colour in Colour if colour is not to))
        return TrafficShifted(weights=weights, took=timedelta(seconds=time.monotonic() - started), revision=self.view().revision)

    def describe_shift(self, weights: Weights) -> tuple[str, ...]:
        """Return the commands that a person would type for the same."""
        patch = {"spec": {"selector": {"app": self.app, "version": str(weights.live or NOBODY)}}}
        namespace, old = self.cluster.namespace, [colour for colour in Colour if colour is not weights.live]
        chosen = f"app={self.app},version in ({', '.join(old)})"
        away = f"/api/v1/namespaces/{namespace}/pods/$pod:{self.private_port}/proxy/drain/connections?seconds={AWAY.total_seconds():.0f}"
        pods = f"$(kubectl -n {namespace} get pods -l '{chosen}' -o name | cut -d/ -f2)"
        return (
            shlex.join(("kubectl", "-n", namespace, "patch", "service", self.app, f"--patch={json.dumps(patch)}")),
            f'for pod in {pods}; do kubectl create --raw "{away}" -f /dev/null; done',
        )

    def enter_maintenance(self, *, retry_after: timedelta) -> TrafficView:
        """Every request is answered with 503 and Retry-After, by the Ingress. Raises: RoutesRejected, ForeignRoutes, NotServedByNginx, TrafficUnavailable."""
        if self.maintenance is None:
            raise RoutesRejected(what=f"there is no maintenance here: {_WHY}", remedy=f"{_GATEWAY}; or {_INGRESS}")
        self.maintenance.enter(retry_after)
        return self.view()

    def leave_maintenance(self) -> TrafficView:
        """Requests reach the colour again. Raises: RoutesRejected, NotServedByNginx, TrafficUnavailable."""
        if self.maintenance is not None:
            self.maintenance.leave()
        return self.view()

    def describe_maintenance(self, *, on: bool) -> tuple[str, ...]:
        """Return the commands that a person would type for the same."""
        return () if self.maintenance is None else self.maintenance.describe(on=on)

    def drained(self, colour: Colour, *, within: timedelta) -> Drained:
        """Return when `colour` has no request under way in two looks running and got none between them, or when the time is up. Raises: TrafficUnavailable."""
        return await_drained(lambda: self._counted(colour), colour, within=within)

    def rehearse_shift(self) -> timedelta:
        """Return how long the cluster takes to see that the selector leads where it says. Raises: RoutesRejected, TrafficUnavailable."""
        started = time.monotonic()
        if not self.view().in_force:
            raise RoutesRejected(what=f"the Service {self.app} does not lead to what its selector says yet", remedy="ue deploy status")
        return timedelta(seconds=time.monotonic() - started)

    def counters(self) -> Counters:
        """Return what the replicas counted, added up. A replica that ended takes its counts with it: a fall. Previews are not told apart, so count as members.

        Raises: TrafficUnavailable.
        """
        counted = {colour: self._counted(colour) for colour in Colour}
        return Counters(at=now(), blue=counted[Colour.BLUE], green=counted[Colour.GREEN], preview_blue=_NOTHING, preview_green=_NOTHING)

    def _service(self, colour: Colour) -> str:
        return f"{self.app}-{colour}"

    def _point(self, to: Colour | None) -> Colour | None:
        """The selector leads to `to`; nothing is written that is so already, but for the token. Return where it led before.

        Raises: FencedOff, ForeignRoutes, TrafficUnavailable.
        """
        change, led = f"{time.time_ns():x}", to

        def said(service: Service) -> Mapping[str, JsonValue]:
            nonlocal led
            selected = _selector(service)
            same = selected.get("version") == str(to or NOBODY)
            before = ((service.metadata and service.metadata.annotations) or {}).get(CHANGE, change)
            found = self._colour(selected)
            led = led if same else found  # same: as it was, or as this write left it, whose answer did not come
            return {
                "metadata": {"annotations": {CHANGE: before if same else change}},
                "spec": {"selector": {**selected, "version": str(to or NOBODY)}},
            }

        try:
            write(self.cluster, Service, self.app, said)
        except TrafficUnavailable:
            raise
        except Unavailable as problem:
            raise TrafficUnavailable(what=problem.what, remedy=problem.remedy) from problem
        return led

    def _colour(self, selected: Mapping[str, str]) -> Colour | None:
        """Return the colour that a selector names. Raises: ForeignRoutes."""
        version = selected.get("version", "")
        if set(selected) != {"app", "version"} or version not in {*Colour, NOBODY}:
            raise ForeignRoutes(
                what=f"the selector of the Service {self.app} is none that this program wrote: {json.dumps(dict(selected))}",
                remedy=f"kubectl -n {self.cluster.namespace} edit service {self.app}: it names `app`, and `version` blue or green",
            )
        return None if version == NOBODY else Colour(version)

    def _no_replica(self, colour: Colour, why: str) -> NoHealthyReplica:
        return NoHealthyReplica(what=f"{colour} has no healthy replica, so it gets no requests: {why}", remedy="ue env status shows what is wrong with them")

    def _followed(self, to: Colour | None) -> bool:
        """Return when the Service's endpoints are those of `to`: True; or when `to` has none any more: False. Raises: TrafficUnavailable."""
        began = time.monotonic()
        while self._ready(self.app) != (wanted := self._ready(self._service(to)) if to else frozenset()):
            if to is not None and not wanted:
                break
            if time.monotonic() > began + _FOLLOW_LIMIT.total_seconds():
                raise TrafficUnavailable(
                    what=f"the Service {self.app} does not follow its selector after {format_duration(_FOLLOW_LIMIT)}",
                    remedy="try again; do the controllers run?",
                )
            time.sleep(_POLL_SECONDS)
        return bool(wanted)

    def _send_away(self, colour: Colour, lasts: timedelta) -> None:
        """Its replicas close each connection that they answer on, for so long. One that can't be told is seen by its counters."""

        def tell(pod: str) -> None:
            with suppress(Problem):
                self.cluster.ask_pod(pod, self.private_port, f"drain/connections?seconds={lasts.total_seconds():.0f}", method="POST", within=_WITHIN)

        _of_each(self._ready(self._service(colour)), tell)

    def _await_silence(self, colours: tuple[Colour, ...]) -> None:
        """These colours are asked nothing any more, by their own counters. Raises: TrafficUnavailable."""
        began = time.monotonic()
        before = None
        while (still := [(counted.answers, counted.active) for counted in map(self._counted, colours)]) != before:
            if time.monotonic() > began + _SILENCE_LIMIT.total_seconds():
                raise TrafficUnavailable(
                    what=f"members still ask the old colour {format_duration(_SILENCE_LIMIT)} after the selector was changed: their connections are kept alive",
                    remedy="see that its replicas take `POST /drain/connections`; or end them: ue app restart",
                )
            before = still
            sleep(_SILENCE_SECONDS)

    def _counted(self, colour: Colour) -> ColourCounters:
        """Return what the ready replicas of a colour counted. Raises: TrafficUnavailable."""
        every, ready = self._endpoints(self._service(colour)), self._ready(self._service(colour))
        total = _NOTHING
        for counted in _of_each(ready, self._counted_by):
            total = _sum(total, counted)
        return replace(total, healthy=len(ready), replicas=len(every))

    def _counted_by(self, pod: str) -> ColourCounters:
        """Return what one replica counted; nothing of one that has just ended. Raises: TrafficUnavailable."""
        try:
            answer = self.cluster.ask_pod(pod, self.private_port, "metrics", within=_WITHIN)
        except ObjectMissing:
            return _NOTHING
        except Unavailable as problem:
            raise TrafficUnavailable(what=problem.what, remedy=problem.remedy) from problem
        if answer.is_error:
            raise TrafficUnavailable(what=f"{pod} does not say what it counted: it answers {answer.status_code}", remedy="ue app logs shows its log")
        return self.read_counters(answer.text)

    def _endpoints(self, service: str) -> tuple[Endpoint, ...]:
        try:
            slices = self.cluster.list(EndpointSlice, labels={_SERVICE_NAME: service})
        except Unavailable as problem:
            raise TrafficUnavailable(what=problem.what, remedy=problem.remedy) from problem
        return tuple(endpoint for each in slices for endpoint in each.endpoints or ())

    def _ready(self, service: str) -> frozenset[str]:
        """Return the pods behind a Service that take requests."""
        return frozenset(
            each.targetRef.name
            for each in self._endpoints(service)
            if each.targetRef and each.targetRef.name and not (each.conditions and (each.conditions.ready is False or each.conditions.terminating))
        )


def _of_each(pods: frozenset[str], ask: Callable[[str], _T]) -> tuple[_T, ...]:
    """Return what `ask` says of each pod, asked at the same time."""
    if not pods:
        return ()
    with ThreadPoolExecutor(max_workers=min(len(pods), _AT_ONCE)) as pool:
        return tuple(pool.map(ask, sorted(pods)))


def _selector(service: Service) -> dict[str, str]:
    return dict((service.spec and service.spec.selector) or {})


def _sum(one: ColourCounters, other: ColourCounters) -> ColourCounters:
    bounds = sorted({bound for bound, _ in (*one.latency, *other.latency)})
    first, second = dict(one.latency), dict(other.latency)
    return ColourCounters(
        answers_2xx=one.answers_2xx + other.answers_2xx,
        answers_3xx=one.answers_3xx + other.answers_3xx,
        answers_4xx=one.answers_4xx + other.answers_4xx,
        answers_5xx=one.answers_5xx + other.answers_5xx,
        active=one.active + other.active,
        healthy=0,
        replicas=0,
        latency=tuple((bound, first.get(bound, 0) + second.get(bound, 0)) for bound in bounds),
        timed=one.timed + other.timed,
    )
