"""Whom an environment's edge never keeps out, and where there is none."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path

import pytest

from unioneyes.environments.local.no_edge import NoEdge, NoEdgeHere
from unioneyes.environments.local.parts import own_networks
from unioneyes.environments.settings import EnvironmentSettings, SettingsRefused, read_settings
from unioneyes.ports.edge import STRICT, Edge, OwnNetwork, refuse_ours

ATTACKER = (ip_network("198.51.100.7"),)


@pytest.mark.parametrize("ours", ["10.1.2.3", "172.20.0.0/16", "192.168.1.0/24", "100.64.0.9", "169.254.1.1", "fd00::/16", "127.0.0.1", "127.0.0.0/8", "::1"])
def test_private_networks_and_this_machine_are_ours_where_nobody_says_otherwise(ours: str) -> None:
    with pytest.raises(OwnNetwork):
        refuse_ours((ip_network(ours),), own_networks(EnvironmentSettings()))


def test_others_are_not() -> None:
    refuse_ours((*ATTACKER, ip_network("172.32.0.0/16"), ip_network("127.0.0.2"), ip_network("2001:db8::/32")), own_networks(EnvironmentSettings()))


def test_what_the_file_names_is_ours_in_the_place_of_private_networks(tmp_path: Path) -> None:
    file = tmp_path / "environment.toml"
    file.write_text('[edge]\nown = ["203.0.113.0/24", "2001:db8::1"]\n')
    own = own_networks(read_settings(file))
    refuse_ours((ip_network("10.1.2.3"),), own)
    for ours in ("203.0.113.9", "2001:db8::/32", "127.0.0.1"):
        with pytest.raises(OwnNetwork):
            refuse_ours((ip_network(ours),), own)


@pytest.mark.parametrize("said", ['["203.0.113.9/24"]', '["office.example.org"]', '"203.0.113.0/24"'])
def test_what_is_no_network_is_refused_with_its_place(tmp_path: Path, said: str) -> None:
    file = tmp_path / "environment.toml"
    file.write_text(f"[edge]\nown = {said}\n")
    with pytest.raises(SettingsRefused, match=r"edge\.own"):
        read_settings(file)


@pytest.mark.parametrize(
    "asked",
    [
        lambda edge: edge.view(),
        lambda edge: edge.limit(STRICT),
        lambda edge: edge.describe_limit(None),
        lambda edge: edge.deny(ATTACKER),
        lambda edge: edge.describe_deny(ATTACKER),
        lambda edge: edge.require_others(ATTACKER),
    ],
)
def test_where_there_is_no_edge_it_says_so_whatever_it_is_asked(asked: Callable[[Edge], object]) -> None:
    with pytest.raises(NoEdgeHere, match="by the Service alone"):
        asked(NoEdge())
