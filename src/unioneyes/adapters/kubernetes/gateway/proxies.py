"""The Gateway's proxies, asked through the API server: what each of them runs, and what it counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import quote

from lightkube.resources.core_v1 import Pod

from unioneyes.adapters.kubernetes.client import Cluster
from unioneyes.adapters.kubernetes.failures import ObjectMissing
from unioneyes.adapters.kubernetes.gateway.counters import Clusters
from unioneyes.adapters.kubernetes.gateway.edge_running import Letting, read_letting
from unioneyes.adapters.kubernetes.gateway.routes import Names
from unioneyes.adapters.kubernetes.gateway.running import Running, read_running
from unioneyes.ports.traffic import ForeignRoutes, TrafficUnavailable

ROUTES_PORT, STATS_PORT = 19010, 19001
"""Of a proxy: where it shows its routes (k8s/components/envoy-gateway/envoy-proxy.yaml), and its counters (Envoy Gateway's default)."""
_WITHIN = timedelta(seconds=3)
_MOST_AT_ONCE = 16
_ROUTES = "config_dump?resource=dynamic_route_configs"
_OWNER = "gateway.envoyproxy.io/owning-gateway"
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxies:
    """The pods that Envoy Gateway runs for one Gateway."""

    cluster: Cluster
    """Its namespace is theirs."""
    namespace: str
    """The service's, where the Gateway is."""
    gateway: str
    names: Names

    @property
    def clusters(self) -> Clusters:
        """What the proxies call the clusters of the service."""
        return Clusters.of(self.namespace, self.names)

    def ready(self) -> tuple[str, ...]:
        """Return the pods that members' requests reach. Raises: TrafficUnavailable when there is none."""
        pods = self.cluster.list(Pod, labels={f"{_OWNER}-name": self.gateway, f"{_OWNER}-namespace": self.namespace}, within=_WITHIN)
        found = tuple(sorted(pod.metadata.name for pod in pods if _ready(pod) and pod.metadata and pod.metadata.name))
        if not found:
            raise TrafficUnavailable(
                what=f"no proxy of the Gateway {self.gateway} is ready ({len(pods)} in the namespace {self.cluster.namespace})",
                remedy=f"kubectl -n {self.cluster.namespace} get pods -l {_OWNER}-name={self.gateway}; see why, then try again",
            )
        return found

    def running(self, pods: tuple[str, ...]) -> tuple[Running, ...]:
        """Return what each of them runs. Raises: ForeignRoutes, TrafficUnavailable."""
        return self._each(pods, self._running)

    def letting(self, pods: tuple[str, ...]) -> tuple[frozenset[Letting], ...]:
        """Return what each of them lets in to the members' replicas. Raises: ForeignRoutes, TrafficUnavailable."""
        return self._each(pods, self._letting)

    def counted(self, pods: tuple[str, ...]) -> tuple[str, ...]:
        """Return what each of them counted of the service, in Prometheus' text format. Raises: TrafficUnavailable."""
        pattern = quote(self.clusters.filter, safe="")
        return self._each(pods, lambda pod: self._ask(pod, STATS_PORT, f"stats/prometheus?usedonly&filter={pattern}"))

    def _running(self, pod: str) -> Running:
        with self._known(pod):
            found = read_running(self._ask(pod, ROUTES_PORT, _ROUTES), self.namespace, self.names)
        if not found.members:
            raise ForeignRoutes(
                what=f"the proxy {pod} has no route of the HTTPRoute {self.names.app}",
                remedy=f"kubectl -n {self.namespace} describe httproute {self.names.app}: is it accepted, and is it attached to the Gateway {self.gateway}?",
            )
        return found

    def _letting(self, pod: str) -> frozenset[Letting]:
        with self._known(pod):
            return read_letting(self._ask(pod, ROUTES_PORT, _ROUTES), self.namespace, self.names)

    @contextmanager
    def _known(self, pod: str) -> Iterator[None]:
        try:
            yield
        except ValueError as error:
            raise ForeignRoutes(
                what=f"the proxy {pod} runs no routes that this program wrote: {error}",
                remedy="kubectl apply --server-side --force-conflicts -k k8s/overlays/<this environment's>, then ue rollback traffic",
            ) from None

    def _ask(self, pod: str, port: int, path: str) -> str:
        try:
            answer = self.cluster.ask_pod(pod, port, path, within=_WITHIN)
        except ObjectMissing as problem:
            raise TrafficUnavailable(what=f"the proxy {pod} is gone", remedy="try again: another one takes its place") from problem
        if answer.status_code != HTTPStatus.OK:
            raise TrafficUnavailable(
                what=f"the proxy {pod} answers {answer.status_code} at its port {port}",
                remedy="its EnvoyProxy must say what k8s/components/envoy-gateway/envoy-proxy.yaml says",
            )
        return answer.text

    @staticmethod
    def _each(pods: tuple[str, ...], ask: Callable[[str], _T]) -> tuple[_T, ...]:
        """Return what `ask` says of each pod, asked at the same time."""
        if len(pods) == 1:
            return (ask(pods[0]),)
        with ThreadPoolExecutor(max_workers=min(len(pods), _MOST_AT_ONCE)) as pool:
            return tuple(pool.map(ask, pods))


def _ready(pod: Pod) -> bool:
    """Return whether the pod takes requests, and is not about to end."""
    if pod.status is None or (pod.metadata and pod.metadata.deletionTimestamp):
        return False
    return any(condition.type == "Ready" and condition.status == "True" for condition in pod.status.conditions or ())
