"""Envoy's administration, over its private Unix socket."""

from __future__ import annotations

import http.client
import re
import socket
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

from pydantic import BaseModel, JsonValue, ValidationError

from unioneyes.adapters.envoy.config import PUBLIC, ROUTES, preview_cluster
from unioneyes.adapters.envoy.counters import METRICS
from unioneyes.ports.traffic import Colour, TrafficUnavailable

_OK = 200
_ROUTES_STATS = f"http.{PUBLIC}.rds.{ROUTES}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """What Envoy says about a file that it watches."""

    version: str
    """Of the last content that it took; empty when it took none yet."""
    refused: int
    """How many contents it did not take."""


class _ShownRoutes(BaseModel):
    route_config: JsonValue


class _ConfigDump(BaseModel):
    configs: list[_ShownRoutes] = []


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvoyAdmin:
    """One question, one connection: nothing is kept that a restart of Envoy could break."""

    socket: Path
    within: timedelta = timedelta(seconds=2)

    def routes_accepted(self) -> Accepted:
        """Return which routes Envoy runs. Raises: TrafficUnavailable."""
        return self._accepted(_ROUTES_STATS)

    def endpoints_accepted(self, cluster: str) -> Accepted:
        """Return which endpoints of `cluster` Envoy knows. Raises: TrafficUnavailable."""
        return self._accepted(f"cluster.{cluster}")

    def filter_accepted(self, name: str) -> Accepted:
        """Return which configuration of a filter Envoy runs. Raises: TrafficUnavailable."""
        return self._accepted(f"extension_config_discovery.http_filter.{name}")

    def running_filters(self) -> str:
        """Return the filters that Envoy takes from files, as it runs them. Raises: TrafficUnavailable."""
        return self.ask("/config_dump?resource=ecds_filters")

    def running_routes(self) -> JsonValue:
        """Return the route configuration that Envoy runs; None when it has none. Raises: TrafficUnavailable."""
        try:
            shown = _ConfigDump.model_validate_json(self.ask("/config_dump?resource=dynamic_route_configs"))
        except ValidationError as error:
            raise TrafficUnavailable(what="Envoy shows its routes in a form that is not known", remedy="check which Envoy runs: ue env doctor") from error
        return shown.configs[0].route_config if shown.configs else None

    def members(self, cluster: str) -> tuple[int, int]:
        """Return how many replicas of `cluster` are healthy, and how many there are. Raises: TrafficUnavailable."""
        shown = self._stats(rf"^cluster\.{cluster}\.membership_(healthy|total)$")
        return int(shown.get(f"cluster.{cluster}.membership_healthy", 0)), int(shown.get(f"cluster.{cluster}.membership_total", 0))

    def metrics(self) -> str:
        """Return what was counted of both colours' members and previews, in Prometheus' text format. Raises: TrafficUnavailable."""
        clusters = [cluster for colour in Colour for cluster in (colour.value, preview_cluster(colour))]
        pattern = rf"^cluster\.({'|'.join(clusters)})\.({'|'.join(METRICS)})$"
        return self.ask(f"/stats/prometheus?usedonly&filter={quote(pattern)}")

    def ask(self, target: str) -> str:
        """Return the answer to GET `target`. Raises: TrafficUnavailable."""
        connection = _UnixConnection(self.socket, timeout=self.within.total_seconds())
        try:
            connection.request("GET", target)
            answer = connection.getresponse()
            text = answer.read().decode()
        except (OSError, http.client.HTTPException) as error:
            raise TrafficUnavailable(
                what=f"Envoy's administration does not answer: {error}", remedy="ue env status; ue env up starts what is missing"
            ) from error
        finally:
            connection.close()
        if answer.status != _OK:
            raise TrafficUnavailable(what=f"Envoy's administration answers {answer.status} to {target.partition('?')[0]}", remedy="ue env doctor")
        return text

    def _accepted(self, scope: str) -> Accepted:
        shown = self._stats(rf"^{re.escape(scope)}\.(version_text|update_rejected|update_failure)$")
        refused = sum(int(shown.get(f"{scope}.{name}", 0)) for name in ("update_rejected", "update_failure"))
        return Accepted(version=shown.get(f"{scope}.version_text", "").strip('"'), refused=refused)

    def _stats(self, pattern: str) -> dict[str, str]:
        lines = self.ask(f"/stats?filter={quote(pattern)}").splitlines()
        return {name: value for name, found, value in (line.partition(": ") for line in lines) if found}


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path, *, timeout: float) -> None:
        super().__init__("envoy", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))
