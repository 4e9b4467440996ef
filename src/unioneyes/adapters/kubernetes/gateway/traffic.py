"""The traffic port on the Gateway API: every change is one write of an HTTPRoute, and each proxy's own word that it runs it."""

from __future__ import annotations

import hashlib
import json
import shlex
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta

from pydantic import JsonValue

from unioneyes.adapters.kubernetes.client import Cluster
from unioneyes.adapters.kubernetes.drained import await_drained
from unioneyes.adapters.kubernetes.gateway.counters import read_counters
from unioneyes.adapters.kubernetes.gateway.filed import HTTP_ROUTE, Filed, FiledObject, Pending
from unioneyes.adapters.kubernetes.gateway.proxies import Proxies
from unioneyes.adapters.kubernetes.gateway.readiness import await_silence, no_replica, require_replicas
from unioneyes.adapters.kubernetes.gateway.routes import (
    NAMES,
    Mark,
    Names,
    Previews,
    Routes,
    idle_patch,
    maintenance_patch,
    preview_rules,
    read_preview_rules,
    read_rules,
    rules,
    shift_patch,
)
from unioneyes.adapters.kubernetes.gateway.running import Members, Running
from unioneyes.adapters.kubernetes.reached import for_traffic
from unioneyes.kernel.clock import now
from unioneyes.kernel.units import format_duration
from unioneyes.ports.traffic import (
    Colour,
    Counters,
    Drained,
    RoutesRejected,
    TrafficShifted,
    TrafficUnavailable,
    TrafficView,
    Weights,
)

_CONFIRM_LIMIT = timedelta(seconds=20)
"""A change takes a tenth of a second, and seconds where Envoy Gateway has much to do; after this it is away. Two of them fit into a step's time."""
_POLL_SECONDS = 0.025
"""Between two looks at what the proxies run, and before the first: what asks them more often takes the processor from what makes the change."""
_STATUS_SECONDS = 0.3
_CHANGED = 12
"""Digits of a revision."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayTraffic:
    """Traffic by two HTTPRoutes and the proxies that Envoy Gateway runs for their Gateway. A value: threads may share it."""

    cluster: Cluster
    """Its namespace is the service's."""
    proxies_cluster: Cluster
    """The same cluster; its namespace is where Envoy Gateway runs its proxies."""
    names: Names = NAMES
    gateway: str = "unioneyes-web"

    def require_means(self, *, shares: bool = False, maintenance: bool = False) -> None:
        """Return: the routes offer both."""
        del shares, maintenance

    def view(self) -> TrafficView:
        """Return what the routes say now, as the proxies run them. The revision covers what is filed too. Raises: ForeignRoutes, TrafficUnavailable."""
        with for_traffic():
            filed = self._route.read()
            return self._view(filed, self._proxies.running(self._proxies.ready()))

    def shift(self, weights: Weights) -> TrafficShifted:
        """All new requests follow `weights`. Refuses weights for a colour without a replica that is ready.

        Raises: NoHealthyReplica (nothing was changed), RoutesRejected (the old routes stay), TrafficUnavailable.
        """
        started = time.monotonic()
        with for_traffic():
            wanted = tuple(each for each in Colour if weights.of(each))
            pods = require_replicas(self.cluster, self._proxies, wanted)
            self._change(lambda state: replace(state, weights=weights), pods, leads_to=wanted)
            try:
                self._point_previews(weights, pods)
            except TrafficUnavailable as problem:
                raise TrafficUnavailable(what=f"members follow {weights}, but previews do not yet: {problem.what}", remedy="try again") from problem
            await_silence(self._proxies, tuple(each for each in Colour if each not in wanted), pods)
            took = timedelta(seconds=time.monotonic() - started)
            return TrafficShifted(weights=weights, took=took, revision=self.view().revision)

    def describe_shift(self, weights: Weights) -> tuple[str, ...]:
        """Return the commands that a person would type for the same: two patches, and what the Gateway says of them."""
        return (
            self._by_hand(self.names.app, shift_patch(weights)),
            self._by_hand(self.names.preview, idle_patch(weights)),
            f"kubectl -n {self.cluster.namespace} get httproute {self.names.app} -o jsonpath='{{.status.parents[*].conditions}}'",
        )

    def enter_maintenance(self, *, retry_after: timedelta) -> TrafficView:
        """Every request is answered with 503 and Retry-After; previews still work. Raises: RoutesRejected, TrafficUnavailable."""
        with for_traffic():
            pods = self._proxies.ready()
            if not all(each.maintainable for running in self._proxies.running(pods) for each in running.members):
                raise RoutesRejected(
                    what=f"the Gateway has no answer for maintenance: the HTTPRouteFilter {self.names.answer('maintenance')} is missing, or says no 503",
                    remedy="kubectl apply --server-side -k k8s/overlays/<this environment's>",
                )
            self._change(lambda state: replace(state, maintenance=True, retry_after=retry_after), pods)
        return self.view()

    def leave_maintenance(self) -> TrafficView:
        """Requests reach the colours again. Raises: RoutesRejected, TrafficUnavailable."""
        with for_traffic():
            self._change(lambda state: replace(state, maintenance=False), self._proxies.ready())
        return self.view()

    def describe_maintenance(self, *, on: bool) -> tuple[str, ...]:
        """Return the commands that a person would type for the same."""
        return (self._by_hand(self.names.app, maintenance_patch(on=on)),)

    def drained(self, colour: Colour, *, within: timedelta) -> Drained:
        """Return when `colour` has no request under way in two looks running and got none between them, or when the time is up. Raises: TrafficUnavailable."""
        return await_drained(lambda: self.counters().of(colour), colour, within=within)

    def rehearse_shift(self) -> timedelta:
        """Return how long the proxies take to confirm their present routes, written anew. What somebody filed, and they do not run, is left alone.

        Raises: RoutesRejected, TrafficUnavailable.
        """
        started = time.monotonic()
        with for_traffic():
            pods = self._proxies.ready()
            state = self._state(self._proxies.running(pods))

            def anew(filed: Filed) -> Mapping[str, JsonValue]:
                if self._read(filed) != state:
                    raise RoutesRejected(
                        what=f"the HTTPRoute {self.names.app} says something that the proxies do not run",
                        remedy="ue deploy status; the next shift writes it anew",
                    )
                return {"rules": rules(replace(state, mark=mark), self.names)}

            mark = Mark(change=state.mark.change, written=_new())
            self._route.write(anew, lambda written: self._confirm(mark, pods, written))
        return timedelta(seconds=time.monotonic() - started)

    def counters(self) -> Counters:
        """Return the proxies' counters, added up. Raises: TrafficUnavailable."""
        with for_traffic():
            return read_counters(self._proxies.counted(self._proxies.ready()), self._proxies.clusters, at=now())

    @property
    def _route(self) -> FiledObject:
        return FiledObject(cluster=self.cluster, kind=HTTP_ROUTE, name=self.names.app, owned=("rules",))

    @property
    def _preview_route(self) -> FiledObject:
        return FiledObject(cluster=self.cluster, kind=HTTP_ROUTE, name=self.names.preview, owned=("rules",))

    @property
    def _proxies(self) -> Proxies:
        return Proxies(cluster=self.proxies_cluster, namespace=self.cluster.namespace, gateway=self.gateway, names=self.names)

    def _view(self, filed: Filed, running: tuple[Running, ...]) -> TrafficView:
        state, said = self._state(running), self._read(filed)
        shapes = sorted({each.shape for one in running for each in one.members})
        mark = said.mark if said else state.mark  # while a shift is rehearsed, what is filed was written later than what runs, and says the same
        revision = hashlib.sha256(json.dumps([filed.fingerprint(mark), shapes, state.mark.change]).encode()).hexdigest()[:_CHANGED]
        return TrafficView(
            weights=state.weights,
            maintenance=state.maintenance,
            revision=revision,
            in_force=said is not None and _but_for_when(said) == _but_for_when(state) and self._alike(running),
        )

    def _change(self, change: Callable[[Routes], Routes], pods: tuple[str, ...], *, leads_to: tuple[Colour, ...] = ()) -> None:
        """The proxies run what `change` makes of what they run, and it is filed. Nothing is written when both is so already."""
        name = _new()
        mark = Mark(change=name, written=name)

        until = time.monotonic() + _CONFIRM_LIMIT.total_seconds()

        def changed(filed: Filed) -> Mapping[str, JsonValue] | None:
            running = self._proxies.running(pods)
            said = self._read(filed)
            settled = said is not None and all(each.routes.mark == said.mark for one in running for each in one.members)
            if said is not None and not settled and time.monotonic() < until:
                raise Pending
            state = said or self._state(running)
            wanted = change(state)
            if settled and wanted == state and all(each.routes == state for one in running for each in one.members):
                return None
            return {"rules": rules(replace(wanted, mark=mark), self.names)}

        self._route.write(changed, lambda written: self._confirm(mark, pods, written, leads_to=leads_to))

    def _point_previews(self, weights: Weights, pods: tuple[str, ...]) -> None:
        """Whoever names no colour tries the one that members are not on."""
        wanted = Previews.beside(weights)
        mark = Mark(change=_new(), written=_new())
        until = time.monotonic() + _CONFIRM_LIMIT.total_seconds()

        def pointed(filed: Filed) -> Mapping[str, JsonValue] | None:
            with suppress(ValueError):
                said = read_preview_rules(filed.spec, self.names)
                running = [each for one in self._proxies.running(pods) for each in one.previews]
                settled = all(each.mark == said.mark for each in running)
                if not settled and time.monotonic() < until:
                    raise Pending
                if settled and running and said == wanted and all(each == wanted for each in running):
                    return None
            return {"rules": preview_rules(replace(wanted, mark=mark), self.names)}

        def taken(written: Filed) -> None:
            def seen() -> bool:
                return all(one.previews and all(each.mark == mark for each in one.previews) for one in self._proxies.running(pods))

            self._await(self._preview_route, seen, written)

        self._preview_route.write(pointed, taken)

    def _confirm(self, mark: Mark, pods: tuple[str, ...], written: Filed, *, leads_to: tuple[Colour, ...] = ()) -> None:
        """Return when each proxy runs the routes with this mark, also one that came meanwhile. Raises: RoutesRejected, NoHealthyReplica, TrafficUnavailable."""
        seen = [*pods]

        def taken() -> bool:
            try:
                running = self._proxies.running(tuple(seen))
                if not all(each.routes.mark == mark for one in running for each in one.members):
                    return False
                after = self._proxies.ready()
            except TrafficUnavailable:
                seen[:] = self._proxies.ready()  # one of them ended
                return False
            if not set(after) <= set(seen):
                seen[:] = after
                return False
            for colour in leads_to:
                if not all(colour in each.routed for one in running for each in one.members):
                    raise no_replica(colour, "it lost its last one in this moment, and the old routes were put back")
            return True

        self._await(self._route, taken, written)

    def _await(self, route: FiledObject, taken: Callable[[], bool], written: Filed) -> None:
        """Return when `taken` is true. Not to be stopped in its middle: what was written is put back, or in force.

        Raises: RoutesRejected, TrafficUnavailable.
        """
        began = time.monotonic()
        look = began + _STATUS_SECONDS
        while True:
            time.sleep(_POLL_SECONDS)
            if taken():
                return
            at = time.monotonic()
            if at > look:
                filed = route.read()
                if filed.generation != written.generation:
                    raise TrafficUnavailable(what="somebody else wrote the routes in the middle of this change", remedy="ue deploy status; then try again")
                if filed.refused:
                    raise RoutesRejected(what=f"the Gateway refused the new routes: {filed.refused}", remedy="the old ones were put back; see what it names")
                look = at + _STATUS_SECONDS
            if at > began + _CONFIRM_LIMIT.total_seconds():
                raise TrafficUnavailable(
                    what=f"the proxies have not taken a change within {format_duration(_CONFIRM_LIMIT)}",
                    remedy=f"kubectl -n {self.proxies_cluster.namespace} get pods: does Envoy Gateway run? The old routes were put back",
                )

    def _read(self, filed: Filed) -> Routes | None:
        """Return what is filed; None when that is nothing of ours."""
        try:
            return read_rules(filed.spec, self.names)
        except (ValueError, KeyError):
            return None

    @staticmethod
    def _state(running: tuple[Running, ...]) -> Routes:
        return running[0].members[0].routes

    @staticmethod
    def _alike(running: tuple[Running, ...]) -> bool:
        every: list[Members] = [each for one in running for each in one.members]
        return all(_but_for_when(each.routes) == _but_for_when(every[0].routes) for each in every)

    def _by_hand(self, route: str, patch: str) -> str:
        return shlex.join(("kubectl", "-n", self.cluster.namespace, "patch", "httproute", route, "--type=json", f"--patch={patch}"))


def _but_for_when(routes: Routes) -> Routes:
    """Return the routes as if they had been written when they were changed last."""
    return replace(routes, mark=replace(routes.mark, written=routes.mark.change))


def _new() -> str:
    return f"{time.time_ns():x}"
