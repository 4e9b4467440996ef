"""Which limit is meant, and which networks are on the list afterwards. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network, ip_network

from unioneyes.kernel.problems import BadInput, Refused
from unioneyes.operations.security.model import DenyRequest
from unioneyes.ports.edge import STRICT, UNITS, BadLimit, EdgeView, Network, RateLimit, collapsed
from unioneyes.runbook.plan import Reading

MOST_SHOWN = 10
"""Networks that a line names; the list itself shows all of them."""
_LIMIT = re.compile(rf"([0-9]{{1,9}})/({'|'.join(UNITS.values())})")


class NoNetwork(BadInput):
    """It was not said whom to keep out or to let in, or not in a way that is understood."""


class NotKeptOut(Refused):
    """Nothing of it is on the list, so nothing would be let in."""


def read_limit(said: str) -> RateLimit | None:
    """Return the limit that is meant by `strict`, `none` or `50/second`. Raises: BadLimit."""
    if said in {"strict", "none"}:
        return STRICT if said == "strict" else None
    if (found := _LIMIT.fullmatch(said)) is None:
        raise BadLimit(what=f"{said!r} is no limit", remedy="write strict, none, or a number by the second, the minute or the hour: 50/second")
    limit = RateLimit(requests=int(found[1]), per={unit: per for per, unit in UNITS.items()}[found[2]])
    limit.require_countable()
    return limit


def wanted_networks(before: tuple[Network, ...], request: DenyRequest) -> tuple[Network, ...]:
    """Return the list as it should be. Of a network on it, a part may be let in: the rest stays on it. Raises: NoNetwork, NotKeptOut."""
    denied, allowed = tuple(map(read_network, request.deny)), tuple(map(read_network, request.allow))
    if not denied and not allowed:
        raise NoNetwork(what="nobody was named", remedy="ue edge deny 198.51.100.7, or ue edge allow 198.51.100.7")
    for network in allowed:
        if not any(_overlap(network, each) for each in before):
            raise NotKeptOut(what=f"nothing of {network} is kept out; nothing was changed", remedy="ue edge status shows who is")
    return collapsed((*denied, *(left for each in before for left in _without(each, allowed))))


def read_network(said: str) -> Network:
    """Return the network that is meant; a single address is one. Raises: NoNetwork."""
    try:
        return ip_network(said)
    except ValueError as error:
        raise NoNetwork(what=f"{said!r} is no address and no network: {error}", remedy="write it as 198.51.100.7, 198.51.100.0/24 or 2001:db8::/48") from None


def readings(view: EdgeView) -> tuple[Reading, ...]:
    """Return what the plan depends on."""
    return (
        Reading(name="limit", value=spoken_limit(view.limit)),
        Reading(name="kept out", value=spoken_networks(view.denied)),
        *(() if view.in_force else (Reading(name="in force", value="no: something else is filed than what runs"),)),
        *((Reading(name="confirmed", value=view.note),) if view.note else ()),
    )


def spoken_limit(limit: RateLimit | None) -> str:
    """Return a limit as people say it: `20 requests a second for each address`."""
    return "none" if limit is None else f"{limit} for each address"


def spoken_networks(networks: tuple[Network, ...]) -> str:
    """Return networks as people read them: a few by name, and how many more there are."""
    shown = ", ".join(map(spoken_network, networks[:MOST_SHOWN])) or "nobody"
    more = len(networks) - MOST_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown


def spoken_network(network: Network) -> str:
    """Return it as people write it: a single address without its length."""
    return str(network.network_address if network.prefixlen == network.max_prefixlen else network)


def _without(network: Network, allowed: tuple[Network, ...]) -> Iterator[Network]:
    """Yield what stays of a network where others are let in."""
    inside = next((each for each in allowed if _overlap(network, each)), None)
    if inside is None:
        yield network
    elif inside.prefixlen > network.prefixlen:
        for rest in _rest(network, inside):
            yield from _without(rest, allowed)


def _rest(network: Network, inside: Network) -> Iterator[Network]:
    match network, inside:
        case IPv4Network(), IPv4Network():
            yield from network.address_exclude(inside)
        case IPv6Network(), IPv6Network():
            yield from network.address_exclude(inside)


def _overlap(one: Network, other: Network) -> bool:
    return one.version == other.version and one.overlaps(other)
