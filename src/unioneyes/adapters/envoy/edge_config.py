"""What stands in the two files by which Envoy keeps requests away: pure functions from a limit and a list to plain JSON, and back.

Each is the configuration of one filter on the members' listener. The filters are always there and do nothing while nothing is to be kept away; Envoy takes a
new configuration for them in place, and no connection ends for it. The previews' listener has neither: a colour is looked at under attack too.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

from pydantic import BaseModel, JsonValue

from unioneyes.adapters.envoy.config import Node
from unioneyes.ports.edge import Network, RateLimit, collapsed

LIMIT, DENY = "edge_limit", "edge_deny"
"""The filters' names, and their files'."""
MOST_ADDRESSES = 20_000
"""Of clients, counted at once; the one that was idle for longest is forgotten for a new one."""

_TYPES = "type.googleapis.com/envoy."
_KINDS = {LIMIT: f"{_TYPES}extensions.filters.http.local_ratelimit.v3.LocalRateLimit", DENY: f"{_TYPES}extensions.filters.http.rbac.v3.RBAC"}
_POLICY = "denied"
_ALWAYS: Node = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}
_UNREACHED = 1_000_000_000
"""Envoy wants a bucket for all clients together as well."""


def edge_file(folder: Path, name: str) -> Path:
    """Return where a filter's configuration stands."""
    return folder / f"{name}.json"


def limit_document(limit: RateLimit | None, *, version: str) -> Node:
    """Return the document by which each client's address may make so many requests."""
    said: Node = {"@type": _KINDS[LIMIT], "stat_prefix": LIMIT}
    if limit is not None:
        bucket: Node = {"max_tokens": limit.requests, "tokens_per_fill": limit.requests, "fill_interval": f"{limit.per.total_seconds():.0f}s"}
        said |= {
            "filter_enabled": _ALWAYS,
            "filter_enforced": _ALWAYS,
            "enable_x_ratelimit_headers": "DRAFT_VERSION_03",
            "token_bucket": {"max_tokens": _UNREACHED, "tokens_per_fill": _UNREACHED, "fill_interval": "1s"},
            "always_consume_default_token_bucket": False,
            "rate_limits": [{"actions": [{"remote_address": {}}]}],
            "descriptors": [{"entries": [{"key": "remote_address"}], "token_bucket": bucket}],  # without a value: one bucket for each
            "max_dynamic_descriptors": MOST_ADDRESSES,
        }
    return _document(LIMIT, said, version)


def deny_document(networks: Iterable[Network], *, version: str) -> Node:
    """Return the document by which nobody from these networks comes in."""
    principals: list[JsonValue] = [{"remote_ip": {"address_prefix": str(each.network_address), "prefix_len": each.prefixlen}} for each in networks]
    said: Node = {"@type": _KINDS[DENY]}
    if principals:
        said["rules"] = {"action": "DENY", "policies": {_POLICY: {"permissions": [{"any": True}], "principals": principals}}}
    return _document(DENY, said, version)


def edge_filters(folder: Path) -> list[JsonValue]:
    """Return the filters of the members' listener, in their order. Where a file can't be read when Envoy starts, everybody is let in."""
    return [_filter(folder, name) for name in (DENY, LIMIT)]


def edge_answers() -> Node:
    """Return what those are told who are kept away."""
    told = ((403, "kept out", "Requests from your address are not answered."), (429, "too many requests", "Your address asks too often: come back later."))
    mappers: list[JsonValue] = [
        {
            "filter": {"status_code_filter": {"comparison": {"op": "EQ", "value": {"default_value": status, "runtime_key": f"edge.{status}"}}}},
            "body_format_override": {
                "content_type": "application/problem+json",
                "text_format_source": {"inline_string": f'{{"title": "{title}", "status": {status}, "detail": "{detail}"}}\n'},
            },
        }
        for status, title, detail in told
    ]
    return {"mappers": mappers}


class _Bucket(BaseModel):
    max_tokens: int
    fill_interval: str


class _Descriptor(BaseModel):
    token_bucket: _Bucket


class _Limit(BaseModel):
    descriptors: list[_Descriptor] = []


class _Range(BaseModel):
    address_prefix: str
    prefix_len: int = 0
    """Envoy leaves zeros out when it shows its configuration."""


class _Principal(BaseModel):
    remote_ip: _Range


class _Policy(BaseModel):
    principals: list[_Principal]


class _Rules(BaseModel):
    policies: dict[str, _Policy] = {}


class _Deny(BaseModel):
    rules: _Rules = _Rules()


class _Resource(BaseModel):
    name: str
    typed_config: dict[str, JsonValue]


class _Document(BaseModel):
    version_info: str
    resources: list[_Resource]


class _Shown(BaseModel):
    ecds_filter: _Resource


class _Dump(BaseModel):
    configs: list[_Shown] = []


def read_limit(said: JsonValue) -> RateLimit | None:
    """Return the limit that a filter's configuration says. Raises: ValueError when it is none of ours."""
    buckets = [each.token_bucket for each in _Limit.model_validate(said).descriptors]
    if not buckets:
        return None
    (bucket,) = buckets
    return RateLimit(requests=bucket.max_tokens, per=timedelta(seconds=float(bucket.fill_interval.removesuffix("s"))))


def read_denied(said: JsonValue) -> tuple[Network, ...]:
    """Return the networks that a filter's configuration keeps out, in the order of `collapsed`. Raises: ValueError when it is none of ours."""
    ranges = [each.remote_ip for policy in _Deny.model_validate(said).rules.policies.values() for each in policy.principals]
    return collapsed(ip_network(f"{each.address_prefix}/{each.prefix_len}") for each in ranges)


def read_document(document: str) -> tuple[str, JsonValue]:
    """Return a file's version, and its filter's configuration. Raises: ValueError when it is none of ours."""
    found = _Document.model_validate_json(document)
    (resource,) = found.resources
    return found.version_info, resource.typed_config


def read_running(dump: str) -> dict[str, JsonValue]:
    """Return the configuration of each filter that Envoy runs, by its name. Raises: ValueError when it is shown in a form that is not known."""
    return {each.ecds_filter.name: each.ecds_filter.typed_config for each in _Dump.model_validate_json(dump).configs}


def _document(name: str, said: Node, version: str) -> Node:
    return {"version_info": version, "resources": [{"@type": f"{_TYPES}config.core.v3.TypedExtensionConfig", "name": name, "typed_config": said}]}


def _filter(folder: Path, name: str) -> Node:
    kind = _KINDS[name]
    nothing: Node = {"@type": kind, **({"stat_prefix": LIMIT} if name == LIMIT else {})}
    source: Node = {"path_config_source": {"path": str(edge_file(folder, name))}, "resource_api_version": "V3", "initial_fetch_timeout": "1s"}
    return {"name": name, "config_discovery": {"config_source": source, "type_urls": [kind.removeprefix("type.googleapis.com/")], "default_config": nothing}}
