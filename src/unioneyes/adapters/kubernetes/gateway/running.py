"""What a proxy runs, out of Envoy's own description of its routes: pure functions."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from unioneyes.adapters.kubernetes.gateway.routes import (
    IDLE,
    MAINTENANCE,
    MARK_HEADER,
    NOTHING,
    OFF_HEADER,
    PREVIEW_RULES,
    RULES,
    SPLIT,
    Mark,
    Names,
    Previews,
    Routes,
)
from unioneyes.ports.traffic import Colour, Weights

_SERVICE_UNAVAILABLE = 503


@dataclass(frozen=True, slots=True, kw_only=True)
class Members:
    """The members' routes of one virtual host of one listener."""

    routes: Routes
    routed: frozenset[Colour]
    """The colours whose rule leads to replicas: to one without any, Envoy Gateway makes the proxy answer 503 by itself."""
    maintainable: bool
    """Whether the maintenance's gate answers 503, and not what stands for a broken rule."""
    shape: str
    """A short mark of what matches what, others' routes included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """What one proxy runs: one value for each virtual host that has the routes. All are the same, but for moments."""

    members: tuple[Members, ...]
    previews: tuple[Previews, ...]


class _Named(BaseModel):
    name: str = ""
    model_config = ConfigDict(extra="allow")


class _Match(BaseModel):
    headers: list[_Named] = []
    model_config = ConfigDict(extra="allow")


class _Cluster(BaseModel):
    name: str
    weight: int = 0


class _Clusters(BaseModel):
    clusters: list[_Cluster] = []


class _Action(BaseModel):
    weighted_clusters: _Clusters = _Clusters()


class _Direct(BaseModel):
    status: int = 0


class _Pair(BaseModel):
    key: str
    value: str = ""


class _Added(BaseModel):
    header: _Pair


class Route(BaseModel):
    """One route of Envoy's."""

    name: str = ""
    match: _Match = _Match()
    route: _Action | None = None
    direct_response: _Direct | None = None
    response_headers_to_add: list[_Added] = []
    typed_per_filter_config: dict[str, JsonValue] = {}

    @property
    def on(self) -> bool:
        """Whether the gate is open."""
        return not any(header.name == OFF_HEADER for header in self.match.headers)

    @property
    def sets(self) -> dict[str, str]:
        """The headers that it sets in answers."""
        return {each.header.key.lower(): each.header.value for each in self.response_headers_to_add}

    def weight(self, cluster: str) -> int:
        """Return the weight of a cluster in it."""
        return sum(each.weight for each in self.route.weighted_clusters.clusters if each.name == cluster) if self.route else 0


class _Host(BaseModel):
    domains: list[str] = []
    routes: list[Route] = []

    def rules(self, namespace: str, route: str) -> dict[int, Route]:
        """Return the routes that come from an HTTPRoute, by its rules: each of ours has one match."""
        pattern = re.compile(re.escape(_prefix(namespace, route)) + r"rule/(\d+)/")
        named = [(pattern.match(each.name), each) for each in self.routes]
        return {int(found[1]): each for found, each in named if found}


class _Configuration(BaseModel):
    virtual_hosts: list[_Host] = []


class _Shown(BaseModel):
    route_config: _Configuration = _Configuration()


class Dump(BaseModel):
    """Envoy's description of its routes."""

    configs: list[_Shown] = []

    @property
    def hosts(self) -> Iterator[_Host]:
        """The virtual hosts of all its listeners."""
        return (host for shown in self.configs for host in shown.route_config.virtual_hosts)

    def members(self, namespace: str, names: Names) -> Iterator[Route]:
        """Yield every route that comes from the members' HTTPRoute."""
        return (route for host in self.hosts for route in host.rules(namespace, names.app).values())


def cluster(namespace: str, route: str, rule: int, backend: int) -> str:
    """Return what Envoy Gateway calls the cluster of a rule's backend. Source: `irDestinationSettingName` in its internal/gatewayapi/helpers.go."""
    return f"{_prefix(namespace, route)}rule/{rule}/backend/{backend}"


def read_running(dump: str, namespace: str, names: Names) -> Running:
    """Return what the proxy runs of the service. Raises: ValueError when the description is none that is known, or its routes are none of ours."""
    try:
        hosts = tuple(Dump.model_validate_json(dump).hosts)
        members = [_members(host, found, namespace, names) for host in hosts if (found := host.rules(namespace, names.app))]
        previews = [_previews(found) for host in hosts if (found := host.rules(namespace, names.preview))]
    except (ValidationError, KeyError) as error:
        message = f"it lacks {error}" if isinstance(error, KeyError) else "it has another form"
        raise ValueError(message) from None
    return Running(members=tuple(members), previews=tuple(previews))


def _members(host: _Host, found: dict[int, Route], namespace: str, names: Names) -> Members:
    rule = {name: found[index] for index, name in enumerate(RULES)}
    split = rule[SPLIT]
    opened = [name for name in (*(each.value for each in Colour), SPLIT, NOTHING) if rule[name].on]
    match opened:
        case [name] if name == SPLIT:
            at = RULES.index(SPLIT)
            shares = {each: split.weight(cluster(namespace, names.app, at, index)) for index, each in enumerate(Colour)}
            weights = Weights(blue=shares[Colour.BLUE], green=shares[Colour.GREEN])
        case [name] if name == NOTHING:
            weights = Weights()
        case [name]:
            weights = Weights.all_to(Colour(name))
        case _:
            message = f"not one but {len(opened)} of its gates are open"
            raise ValueError(message)
    sets = rule[MAINTENANCE].sets
    direct = rule[MAINTENANCE].direct_response
    return Members(
        routes=Routes(
            weights=weights,
            maintenance=rule[MAINTENANCE].on,
            retry_after=timedelta(seconds=int(sets["retry-after"])),
            mark=Mark.read(sets[MARK_HEADER]),
        ),
        routed=frozenset(each for each in Colour if rule[each.value].route is not None),
        maintainable=direct is not None and direct.status == _SERVICE_UNAVAILABLE,
        shape=_shape(host.routes, host.domains, sets[MARK_HEADER]),
    )


def _previews(found: dict[int, Route]) -> Previews:
    rule = {name: found[index] for index, name in enumerate(PREVIEW_RULES)}
    idle = [each for each, name in IDLE.items() if rule[name].on]
    if len(idle) != 1:
        message = "not one colour is the idle one"
        raise ValueError(message)
    return Previews(idle=idle[0], mark=Mark.read(rule[IDLE[Colour.BLUE]].sets[MARK_HEADER]))


def _shape(routes: list[Route], domains: list[str], mark: str) -> str:
    """Return a mark of what matches what. Not of where it leads: that changes by itself when a colour's last replica goes, or its first one comes."""
    text = json.dumps([domains, [[each.name, each.match.model_dump(mode="json")] for each in routes]], sort_keys=True)
    return hashlib.sha256(f"{text}{Mark.read(mark).change}".encode()).hexdigest()[:12]


def _prefix(namespace: str, route: str) -> str:
    return f"httproute/{namespace}/{route}/"
