"""What stands in Envoy's files: pure functions from a state to plain JSON, and back.

Three files: `bootstrap.json` (listeners and clusters; changes need a restart), `endpoints_<colour>.json` (the replicas' sockets) and `routes.json` (who gets
the members' requests). The routes have the same shape in every state; only a handful of values differ, so that a person can change them with `sed`.

Four clusters on two sets of replicas: `blue` and `green` take the members' requests, `preview_blue` and `preview_green` the probes'. So a probe never mixes
with the members' counters.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from pydantic import BaseModel, JsonValue

from unioneyes.ports.traffic import Colour, Weights

Node = dict[str, JsonValue]

LATENCY_BOUNDS_MS = (1, 2, 3, 5, 7.5, 10, 15, 20, 30, 40, 50, 75, 100, 150, 200, 300, 400, 500, 750, 1000, 1500, 2000, 3000, 5000, 10000, 30000)
"""Of the latency histogram. 2000 is among them: "Response Time (P99) > 2000ms" is then counted, not interpolated. Source: Monitoring, Application Metrics."""

PREVIEW_HEADER = "x-preview"
ROUTES = "main"
PUBLIC, PREVIEW = "ingress", "preview"
"""The two listeners' names in Envoy's statistics."""
MAINTENANCE, NOTHING_DEPLOYED, IDLE = "maintenance", "nothing-deployed", "preview-idle"

_TYPES = "type.googleapis.com/envoy."
_REQUEST_LIMIT = "30s"
_SAFE_METHODS = "GET|HEAD|OPTIONS|PUT|DELETE"
_VERSIONS = re.compile(r'"(?:version_info|written)": "[^"]*"')
_RETRY_UNSENT = "connect-failure,refused-stream,reset-before-request"
"""Failures after which no replica can have seen the request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Routes:
    """Everything that the routes file decides."""

    weights: Weights
    maintenance: bool = False
    retry_after: timedelta = timedelta(seconds=60)
    """What members are told during maintenance."""
    change: str = field(default="initial", compare=False)
    """Names the last change. The same routes written anew keep it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guards:
    """What stands before the members' routes."""

    filters: list[JsonValue]
    answers: Node
    """What those are told who are kept away."""


_NO_GUARDS = Guards(filters=[], answers={})


def bootstrap(folder: Path, *, public_port: int, preview_port: int, admin_socket: Path, guards: Guards) -> Node:
    """Return the part of the configuration that stays as it is while Envoy runs."""
    clusters: list[JsonValue] = [_cluster(folder, colour, name=name) for colour in Colour for name in (colour.value, preview_cluster(colour))]
    return {
        "node": {"id": "embedded", "cluster": "embedded"},
        "stats_flush_interval": "0.1s",  # the histograms are as old as that: whoever looks must not take an answer for a quick one meanwhile
        "stats_config": {"histogram_bucket_settings": [{"match": {"suffix": "upstream_rq_time"}, "buckets": list(LATENCY_BOUNDS_MS)}]},
        "admin": {"address": {"pipe": {"path": str(admin_socket), "mode": 0o600}}},
        "static_resources": {
            "listeners": [
                # A member can't choose a colour: the header is taken away before anything looks at it.
                _listener(folder, name=PUBLIC, port=public_port, preview_header={"remove": PREVIEW_HEADER}, guards=guards),
                _listener(
                    folder, name=PREVIEW, port=preview_port, preview_header={"append": _header(PREVIEW_HEADER, "idle", "ADD_IF_ABSENT")}, guards=_NO_GUARDS
                ),
            ],
            "clusters": clusters,
        },
    }


def preview_cluster(colour: Colour) -> str:
    """Return the name of the cluster that takes the probes of `colour`."""
    return f"preview_{colour}"


def endpoints_file(folder: Path, colour: Colour) -> Path:
    """Return where the replicas of `colour` are named."""
    return folder / f"endpoints_{colour}.json"


def routes_file(folder: Path) -> Path:
    """Return where the routes stand."""
    return folder / "routes.json"


def endpoints(colour: Colour, sockets: Iterable[Path], *, version: str) -> Node:
    """Return the document that names the replicas of `colour`."""
    replicas: list[JsonValue] = [{"endpoint": {"address": {"pipe": {"path": str(socket)}}}} for socket in sockets]
    return {
        "version_info": version,
        "resources": [{"@type": f"{_TYPES}config.endpoint.v3.ClusterLoadAssignment", "cluster_name": colour.value, "endpoints": [{"lb_endpoints": replicas}]}],
    }


def routes(state: Routes, *, version: str) -> Node:
    """Return the document that says who gets which request. The first route that matches decides.

    The version stands in the content too: the same routes written anew are then loaded anew, as a rehearsal needs it.
    """
    idle = preview_cluster(state.weights.live.other if state.weights.live else Colour.BLUE)
    maintenance = _gate(MAINTENANCE, on=state.maintenance, title="maintenance", detail="The service is being maintained and will be back soon.")
    maintenance["response_headers_to_add"] = [_header("retry-after", f"{state.retry_after.total_seconds():.0f}"), _PROBLEM_JSON]
    nothing = _gate(NOTHING_DEPLOYED, on=state.weights.live is None, title="nothing deployed", detail="No release of the service has been deployed yet.")
    nothing["response_headers_to_add"] = [_PROBLEM_JSON]
    return {
        "version_info": version,
        "resources": [
            {
                "@type": f"{_TYPES}config.route.v3.RouteConfiguration",
                "name": ROUTES,
                "metadata": {"filter_metadata": {"unioneyes": {"change": state.change, "written": version}}},
                "validate_clusters": True,
                "virtual_hosts": [
                    {
                        "name": "service",
                        "domains": ["*"],
                        # Clients may send any X-Forwarded-For; this one they can't forge.
                        "request_headers_to_add": [_header("x-real-ip", "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%")],
                        "request_headers_to_remove": [PREVIEW_HEADER],
                        "routes": [
                            _preview_route("preview-blue", {"string_match": {"exact": "blue"}}, preview_cluster(Colour.BLUE)),
                            _preview_route("preview-green", {"string_match": {"exact": "green"}}, preview_cluster(Colour.GREEN)),
                            _preview_route(IDLE, {"present_match": True}, idle),
                            _PRIVATE_PATHS,
                            maintenance,
                            nothing,
                            _members_route(
                                "members-repeatable",
                                state.weights,
                                {"name": ":method", "string_match": {"safe_regex": {"regex": _SAFE_METHODS}}},
                                retry_on=f"{_RETRY_UNSENT},reset",
                            ),
                            _members_route(
                                "members-with-key", state.weights, {"name": "idempotency-key", "present_match": True}, retry_on=f"{_RETRY_UNSENT},reset"
                            ),
                            _members_route("members-once", state.weights, None, retry_on=_RETRY_UNSENT),
                        ],
                    }
                ],
            }
        ],
    }


class _Fraction(BaseModel):
    numerator: int = 0
    """Envoy leaves zeros out when it shows its configuration."""


class _RuntimeFraction(BaseModel):
    default_value: _Fraction


class _Match(BaseModel):
    runtime_fraction: _RuntimeFraction | None = None


class _HeaderValue(BaseModel):
    key: str
    value: str


class _AddedHeader(BaseModel):
    header: _HeaderValue


class _WeightedCluster(BaseModel):
    name: str
    weight: int = 0


class _WeightedClusters(BaseModel):
    clusters: list[_WeightedCluster]


class _Action(BaseModel):
    weighted_clusters: _WeightedClusters | None = None


class _Route(BaseModel):
    name: str
    match: _Match
    route: _Action | None = None
    response_headers_to_add: list[_AddedHeader] = []

    @property
    def on(self) -> bool:
        """Whether a gate is shut."""
        return self.match.runtime_fraction is not None and self.match.runtime_fraction.default_value.numerator > 0


class _VirtualHost(BaseModel):
    routes: list[_Route]


class _Mark(BaseModel):
    change: str = ""


class _OurMetadata(BaseModel):
    unioneyes: _Mark


class _Metadata(BaseModel):
    filter_metadata: _OurMetadata


class _RouteConfiguration(BaseModel):
    virtual_hosts: list[_VirtualHost]
    metadata: _Metadata


class _RoutesDocument(BaseModel):
    resources: list[_RouteConfiguration]


def read_routes(document: str) -> Routes:
    """Return the state that a routes file decides. Raises: ValueError when it is no routes file of ours."""
    return _state(_RoutesDocument.model_validate_json(document).resources[0])


def read_configuration(configuration: JsonValue) -> Routes:
    """Return the state that a route configuration decides, as Envoy shows it. Raises: ValueError when it is none of ours."""
    return _state(_RouteConfiguration.model_validate(configuration))


def _state(configuration: _RouteConfiguration) -> Routes:
    by_name = {route.name: route for route in configuration.virtual_hosts[0].routes}
    members = by_name.get("members-once")
    if members is None or members.route is None or members.route.weighted_clusters is None or not {MAINTENANCE, NOTHING_DEPLOYED} <= by_name.keys():
        message = "routes are missing"
        raise ValueError(message)
    weights = {cluster.name: cluster.weight for cluster in members.route.weighted_clusters.clusters}
    waits = {added.header.key: added.header.value for added in by_name[MAINTENANCE].response_headers_to_add}
    return Routes(
        weights=Weights() if by_name[NOTHING_DEPLOYED].on else Weights(blue=weights["blue"], green=weights["green"]),
        maintenance=by_name[MAINTENANCE].on,
        retry_after=timedelta(seconds=int(waits["retry-after"])),
        change=configuration.metadata.filter_metadata.unioneyes.change,
    )


def revision(running: JsonValue, document: str) -> str:
    """Return a short mark of the routes that Envoy runs and of those in the file, whoever wrote them. The same routes written anew have the same mark."""
    seen = json.dumps(running, sort_keys=True) + document
    return hashlib.sha256(_VERSIONS.sub("", seen).encode()).hexdigest()[:12]


def _header(name: str, value: str, action: str = "OVERWRITE_IF_EXISTS_OR_ADD") -> Node:
    return {"header": {"key": name, "value": value}, "append_action": action}


_PROBLEM_JSON = _header("content-type", "application/problem+json")


def _gate(name: str, *, on: bool, title: str, detail: str) -> Node:
    """Return a route that answers everything with 503 while it is on, and nothing while it is off."""
    return {
        "name": name,
        "match": {"prefix": "/", "runtime_fraction": {"default_value": {"numerator": 100 * on, "denominator": "HUNDRED"}}},
        "direct_response": {"status": 503, "body": {"inline_string": f'{{"title": "{title}", "status": 503, "detail": "{detail}"}}\n'}},
    }


_PRIVATE_PATHS: Node = {
    "name": "private",
    "match": {"path_separated_prefix": "/metrics"},
    "direct_response": {"status": 404, "body": {"inline_string": '{"title": "not found", "status": 404, "detail": "There is nothing here."}\n'}},
    "response_headers_to_add": [_PROBLEM_JSON],
}
"""What the service tells its operators only: they reach it through the preview."""


def _preview_route(name: str, header: Node, cluster: str) -> Node:
    return {"name": name, "route": {"cluster": cluster, "timeout": _REQUEST_LIMIT}, "match": {"prefix": "/", "headers": [{"name": PREVIEW_HEADER, **header}]}}


def _members_route(name: str, weights: Weights, header: Node | None, *, retry_on: str) -> Node:
    shares = weights if weights.live else Weights(blue=100)  # Envoy refuses a sum of 0; the gate in front answers meanwhile
    clusters: list[JsonValue] = [{"name": colour.value, "weight": shares.of(colour)} for colour in Colour]
    return {
        "name": name,
        "match": {"prefix": "/", "headers": [] if header is None else [header]},
        "route": {
            "weighted_clusters": {"clusters": clusters},
            "timeout": _REQUEST_LIMIT,
            "retry_policy": {
                "retry_on": retry_on,
                "num_retries": 3,
                "host_selection_retry_max_attempts": 5,
                "retry_host_predicate": [
                    {
                        "name": "envoy.retry_host_predicates.previous_hosts",
                        "typed_config": {"@type": f"{_TYPES}extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"},
                    }
                ],
                "retry_back_off": {"base_interval": "0.02s", "max_interval": "0.2s"},
            },
        },
    }


def _cluster(folder: Path, colour: Colour, *, name: str) -> Node:
    protocol = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    return {
        "name": name,
        "type": "EDS",
        "connect_timeout": "1s",
        "lb_policy": "LEAST_REQUEST",
        "eds_cluster_config": {"service_name": colour.value, "eds_config": _source(endpoints_file(folder, colour))},
        "ignore_health_on_host_removal": True,  # a replica that is told to end gets nothing more, healthy or not
        "common_lb_config": {
            "healthy_panic_threshold": {"value": 1},  # when none is healthy, all are asked: at 0 one lost health check of a lone replica was an outage
            "update_merge_window": "0s",  # the default holds changes back for a second: requests went to replicas that had ended
        },
        "circuit_breakers": {
            "thresholds": [
                {
                    "max_connections": 4096,
                    "max_pending_requests": 4096,
                    "max_requests": 4096,
                    "retry_budget": {"budget_percent": {"value": 50}, "min_retry_concurrency": 64},  # the default of 3 retries lost requests
                }
            ]
        },
        "typed_extension_protocol_options": {
            protocol: {
                "@type": f"type.googleapis.com/{protocol}",
                "explicit_http_config": {"http_protocol_options": {}},
                "common_http_protocol_options": {"idle_timeout": "30s"},  # below the service's own 75 s, so that it never closes first
            }
        },
        "health_checks": [
            {
                "timeout": "1s",
                "interval": "0.5s",
                "no_traffic_interval": "0.5s",
                "unhealthy_threshold": 2,
                "healthy_threshold": 1,
                "http_health_check": {"path": "/healthz"},
            }
        ],
        # Only broken connections count: a release that answers 500 is a matter for the watch, not for ejecting its replicas.
        "outlier_detection": {
            "split_external_local_origin_errors": True,
            "consecutive_local_origin_failure": 2,
            "enforcing_consecutive_local_origin_failure": 100,
            "enforcing_consecutive_5xx": 0,
            "enforcing_consecutive_gateway_failure": 0,
            "enforcing_success_rate": 0,
            "enforcing_local_origin_success_rate": 0,
            "interval": "1s",
            "base_ejection_time": "5s",
            "max_ejection_percent": 100,
        },
    }


def _listener(folder: Path, *, name: str, port: int, preview_header: Node, guards: Guards) -> Node:
    settings = _connection_settings(folder, name=name, preview_header=preview_header, guards=guards)
    return {
        "name": name,
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "enable_reuse_port": False,  # or a second Envoy silently shares the port
        "filter_chains": [{"filters": [{"name": "http", "typed_config": settings}]}],
    }


def _connection_settings(folder: Path, *, name: str, preview_header: Node, guards: Guards) -> Node:
    return {
        "@type": f"{_TYPES}extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": name,
        "use_remote_address": True,
        "always_set_request_id_in_response": True,
        "server_header_transformation": "PASS_THROUGH",
        "normalize_path": True,
        "merge_slashes": True,
        "stream_idle_timeout": "60s",
        "common_http_protocol_options": {"idle_timeout": "300s"},
        "early_header_mutation_extensions": [
            {
                "name": "preview",
                "typed_config": {
                    "@type": f"{_TYPES}extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
                    "mutations": [preview_header],
                },
            }
        ],
        "rds": {"route_config_name": ROUTES, "config_source": _source(routes_file(folder))},
        "access_log": [_failures_log()],
        "local_reply_config": guards.answers,
        "http_filters": [*guards.filters, {"name": "router", "typed_config": {"@type": f"{_TYPES}extensions.filters.http.router.v3.Router"}}],
    }


def _failures_log() -> Node:
    """Return an access log of what went wrong or took long, and of nothing else: one of all requests would cost more than it tells.

    It goes to stdout, so that whoever runs Envoy bounds its size.
    """
    at_least_500: Node = {"comparison": {"op": "GE", "value": {"default_value": 500, "runtime_key": "access_log.status"}}}
    at_least_2_s: Node = {"comparison": {"op": "GE", "value": {"default_value": 2000, "runtime_key": "access_log.duration"}}}
    not_limited: Node = {"comparison": {"op": "NE", "value": {"default_value": 429, "runtime_key": "access_log.limited"}}}
    flagged: Node = {"and_filter": {"filters": [{"response_flag_filter": {}}, {"status_code_filter": not_limited}]}}  # a flood fills no log
    filters: list[JsonValue] = [{"status_code_filter": at_least_500}, {"duration_filter": at_least_2_s}, flagged]
    return {
        "name": "failures",
        "filter": {"or_filter": {"filters": filters}},
        "typed_config": {
            "@type": f"{_TYPES}extensions.access_loggers.stream.v3.StdoutAccessLog",
            "log_format": {
                "json_format": {
                    "timestamp": "%START_TIME%",
                    "level": "WARNING",
                    "message": "%REQ(:METHOD)% %PATH(NQ)% %RESPONSE_CODE%",
                    "request_id": "%REQ(X-REQUEST-ID)%",
                    "client": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
                    "cluster": "%UPSTREAM_CLUSTER%",
                    "duration_ms": "%DURATION%",
                    "flags": "%RESPONSE_FLAGS%",
                }
            },
        },
    }


def _source(path: Path) -> Node:
    return {"path_config_source": {"path": str(path)}, "resource_api_version": "V3"}
