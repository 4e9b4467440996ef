"""What the test cluster is called, where it stands, and which addresses it has."""

from __future__ import annotations

from ipaddress import IPv4Network, ip_address, ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kubernetes.cluster.binaries import FAMILIES, Family, program
from tests.kubernetes.cluster.layout import API_SERVICE, CLUSTER_CIDR, DNS_SERVICE, SERVICE_CIDR, Addresses, Layout, cache
from unioneyes.kernel.problems import BadInput

NODES = tuple(f"node{position}" for position in range(1, 10))


@given(number=st.integers(0, 255))
def test_no_two_of_a_cluster_have_the_same_address(number: int) -> None:
    addresses = Addresses(number)
    own = [addresses.machine, *map(addresses.node, NODES)]
    assert len(set(own)) == len(own)
    assert len({address.rpartition(".")[0] for address in own}) == 1


@given(one=st.integers(0, 255), other=st.integers(0, 255))
def test_two_clusters_share_no_network_on_the_machine(one: int, other: int) -> None:
    networks = {ip_network(f"{Addresses(number).machine}/24", strict=False) for number in (one, other)}
    assert len(networks) == len({one, other})


@given(number=st.integers(0, 255))
def test_pods_and_services_keep_to_their_networks(number: int) -> None:
    pods = [IPv4Network(Addresses(number).pods(node)) for node in NODES]
    assert len(set(pods)) == len(pods)
    assert all(each.subnet_of(IPv4Network(CLUSTER_CIDR)) for each in pods)
    assert all(ip_address(service) in ip_network(SERVICE_CIDR) for service in (API_SERVICE, DNS_SERVICE))
    assert not ip_network(CLUSTER_CIDR).overlaps(ip_network(SERVICE_CIDR))


@pytest.mark.parametrize("name", ["", "Test", "1st", "a-b", "../etc", "longerthan8", "é"])
def test_a_name_that_no_link_could_have_is_refused(name: str) -> None:
    with pytest.raises(BadInput):
        Layout.named(name)


def test_a_folder_that_nodes_do_not_see_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, asked in (("XDG_STATE_HOME", lambda: Layout.named("test")), ("XDG_CACHE_HOME", cache)):
        monkeypatch.setenv(variable, "/var/lib/somewhere")
        with pytest.raises(BadInput, match="each node has its own"):
            asked()


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_what_is_built_is_kept_by_its_version_and_all_that_goes_in(family: Family, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert family.folder.name.startswith(f"{family.name}-{family.version}-")
    assert family.folder.is_relative_to(tmp_path)
    assert {program(name).parent for name in family.programs} == {family.folder}
