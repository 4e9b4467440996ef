"""Which limit is meant, and who is on the list afterwards."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import IPv4Address, IPv4Network, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unioneyes.operations.security.model import DenyRequest
from unioneyes.operations.security.rules import NoNetwork, NotKeptOut, read_limit, readings, spoken_limit, spoken_networks, wanted_networks
from unioneyes.ports.edge import STRICT, BadLimit, EdgeView, Network, OwnNetwork, RateLimit, collapsed, refuse_ours
from unioneyes.runbook.plan import Reading

LISTS: st.SearchStrategy[list[Network]] = st.lists(
    st.tuples(st.integers(0, 2**32 - 1), st.integers(1, 32)).map(lambda drawn: IPv4Network(drawn, strict=False)), max_size=6
)


def networks(*said: str) -> tuple[Network, ...]:
    return tuple(map(ip_network, said))


@pytest.mark.parametrize(
    ("said", "limit"),
    [
        ("strict", STRICT),
        ("none", None),
        ("50/second", RateLimit(requests=50, per=timedelta(seconds=1))),
        ("600/minute", RateLimit(requests=600, per=timedelta(minutes=1))),
        ("1/hour", RateLimit(requests=1, per=timedelta(hours=1))),
    ],
)
def test_a_limit_is_read_as_people_say_it(said: str, limit: RateLimit | None) -> None:
    assert read_limit(said) == limit


@pytest.mark.parametrize("said", ["", "0/second", "50", "50/day", "-1/second", "50/second ", "1.5/second", "fifty/second", "1234567890/second", "STRICT"])
def test_what_is_no_limit_is_refused(said: str) -> None:
    with pytest.raises(BadLimit):
        read_limit(said)


@pytest.mark.parametrize(
    ("before", "deny", "allow", "after"),
    [
        ((), ("198.51.100.7",), (), ("198.51.100.7/32",)),
        (("192.0.2.0/24",), ("198.51.100.7", "2001:db8::/48"), (), ("192.0.2.0/24", "198.51.100.7/32", "2001:db8::/48")),
        (("192.0.2.0/24",), ("192.0.2.9",), (), ("192.0.2.0/24",)),
        (("192.0.2.0/25",), ("192.0.2.128/25",), (), ("192.0.2.0/24",)),
        (("192.0.2.0/24", "198.51.100.7/32"), (), ("198.51.100.7",), ("192.0.2.0/24",)),
        (("192.0.2.0/30",), (), ("192.0.2.1",), ("192.0.2.0/32", "192.0.2.2/31")),
        (("192.0.2.0/30",), (), ("192.0.2.1", "192.0.2.2"), ("192.0.2.0/32", "192.0.2.3/32")),
        (("192.0.2.0/24", "2001:db8::/48"), (), ("0.0.0.0/0",), ("2001:db8::/48",)),
        (("2001:db8::/126",), (), ("2001:db8::1",), ("2001:db8::/128", "2001:db8::2/127")),
        (("192.0.2.0/24",), ("203.0.113.5",), ("192.0.2.0/24",), ("203.0.113.5/32",)),
    ],
)
def test_the_list_afterwards(before: tuple[str, ...], deny: tuple[str, ...], allow: tuple[str, ...], after: tuple[str, ...]) -> None:
    assert wanted_networks(networks(*before), DenyRequest(deny=deny, allow=allow)) == networks(*after)


@given(LISTS, LISTS, st.integers(0, 2**32 - 1))
def test_an_address_is_kept_out_afterwards_exactly_where_it_was_and_was_not_let_in(before: list[Network], allow: list[Network], address: int) -> None:
    known, one = collapsed(before), IPv4Address(address)
    let_in = tuple(each for each in allow if any(each.overlaps(network) for network in known))
    if not let_in:
        return
    after = wanted_networks(known, DenyRequest(allow=tuple(map(str, let_in))))
    assert any(one in each for each in after) == (any(one in each for each in known) and not any(one in each for each in let_in))


def test_who_is_not_kept_out_can_not_be_let_in() -> None:
    with pytest.raises(NotKeptOut, match=r"nothing of 192\.0\.3\.0/24"):
        wanted_networks(networks("192.0.2.0/24"), DenyRequest(allow=("192.0.3.0/24",)))


@pytest.mark.parametrize(
    "request_", [DenyRequest(), DenyRequest(deny=("attacker.example.org",)), DenyRequest(deny=("192.0.2.1/24",)), DenyRequest(allow=("",))]
)
def test_nobody_is_named(request_: DenyRequest) -> None:
    with pytest.raises(NoNetwork):
        wanted_networks(networks("192.0.2.0/24"), request_)


@pytest.mark.parametrize("said", ["10.0.0.0/16", "10.0.3.4/32", "10.0.0.0/8", "0.0.0.0/0", "11.0.0.0/7", "2001:db8::/15"])
def test_our_own_and_parts_of_the_world_are_refused(said: str) -> None:
    with pytest.raises(OwnNetwork):
        refuse_ours((ip_network(said, strict=False),), networks("10.0.0.0/16"))


def test_others_are_not_ours() -> None:
    refuse_ours(networks("10.1.0.0/16", "127.0.0.2/32", "2001:db8::/32"), networks("10.0.0.0/16", "127.0.0.1/32", "::1/128"))


def test_it_is_said_as_people_say_it() -> None:
    assert spoken_limit(STRICT) == "20 requests a second for each address"
    assert spoken_limit(RateLimit(requests=1, per=timedelta(hours=1))) == "1 request an hour for each address"
    assert spoken_networks(()) == "nobody"
    assert spoken_networks(networks(*(f"192.0.{number}.1" for number in range(12)))).endswith(", 192.0.9.1 and 2 more")
    seen = {each.name: each.value for each in readings(EdgeView(limit=None, denied=networks("192.0.2.7"), in_force=False))}
    assert seen == {"limit": "none", "kept out": "192.0.2.7", "in force": "no: something else is filed than what runs"}
    noted = readings(EdgeView(limit=None, denied=(), in_force=True, note="only that it is filed"))
    assert noted[-1] == Reading(name="confirmed", value="only that it is filed")
