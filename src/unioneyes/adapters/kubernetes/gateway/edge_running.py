"""What a proxy lets in, out of Envoy's own description of its routes: pure functions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_network

from pydantic import BaseModel, Field, JsonValue, ValidationError

from unioneyes.adapters.kubernetes.gateway.routes import Names
from unioneyes.adapters.kubernetes.gateway.running import Dump
from unioneyes.ports.edge import Network, RateLimit


@dataclass(frozen=True, slots=True, kw_only=True)
class Letting:
    """What one route to the members' replicas lets in."""

    limit: RateLimit | None
    denied: frozenset[Network]


class _Bucket(BaseModel):
    max_tokens: int = 0
    fill_interval: str = "0s"


class _Descriptor(BaseModel):
    token_bucket: _Bucket


class _Limits(BaseModel):
    descriptors: list[_Descriptor] = []


class _Filters(BaseModel):
    limits: _Limits = Field(default=_Limits(), alias="envoy.filters.http.local_ratelimit")
    rights: JsonValue = Field(default=None, alias="envoy.filters.http.rbac")


class _Range(BaseModel):
    address_prefix: str
    prefix_len: int = 0


def read_letting(dump: str, namespace: str, names: Names) -> frozenset[Letting]:
    """Return what the routes to the members' replicas let in: one value, but for moments. Raises: ValueError when the description is none that is known."""
    try:
        found = Dump.model_validate_json(dump).members(namespace, names)
        return frozenset(_letting(_Filters.model_validate(route.typed_per_filter_config)) for route in found if route.route is not None)
    except ValidationError:
        message = "it has another form"
        raise ValueError(message) from None


def _letting(filters: _Filters) -> Letting:
    buckets = {(each.token_bucket.max_tokens, each.token_bucket.fill_interval) for each in filters.limits.descriptors}
    limits = [RateLimit(requests=tokens, per=timedelta(seconds=float(interval.removesuffix("s")))) for tokens, interval in buckets]
    return Letting(limit=limits[0] if len(limits) == 1 else None, denied=frozenset(_ranges(filters.rights)))


def _ranges(of: JsonValue) -> Iterator[Network]:
    """Yield every range of addresses that stands anywhere in it: `deny-list` is the only policy that names some."""
    match of:
        case {"address_prefix": _}:
            found = _Range.model_validate(of)
            yield ip_network(f"{found.address_prefix}/{found.prefix_len}")
        case dict():
            for each in of.values():
                yield from _ranges(each)
        case list():
            for each in of:
                yield from _ranges(each)
        case _:
            return
