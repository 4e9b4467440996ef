"""Whom an environment's edge never keeps out, and where there is none."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path

import pytest

from unioneyes.adapters.kubernetes.ingress_nginx import IngressNginxEdge
from unioneyes.environments.local.cluster import build_edge, build_selector_traffic
from unioneyes.environments.local.no_edge import NoEdge, NoEdgeHere
from unioneyes.environments.local.parts import own_networks
from unioneyes.environments.settings import ClusterSettings, EnvironmentSettings, SettingsRefused, read_settings
from unioneyes.ports.edge import STRICT, Edge, OwnNetwork, refuse_ours
from unioneyes.ports.traffic import NotOffered

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


@pytest.mark.parametrize(("ingress", "kind"), [(None, NoEdge), ("unioneyes-web", IngressNginxEdge)])
def test_where_a_selector_leads_the_edge_is_the_ingress_that_the_settings_name(ingress: str | None, kind: type) -> None:
    settings = ClusterSettings.model_validate(
        {
            "images": "registry.example.org/unioneyes/service",
            "url": "https://app.example.org",
            "preview_url": "https://preview-{colour}.example.org",
            "traffic": "selector",
            "ingress": ingress,
        }
    )
    edge, traffic = build_edge(settings, path="/api/health", own=ATTACKER), build_selector_traffic(settings, path="/api/health")

    assert isinstance(edge, kind)
    assert (traffic.maintenance is None) == (ingress is None)
    if isinstance(edge, IngressNginxEdge):
        assert (edge.ingress.name, edge.ingress.members_url, edge.own) == ("unioneyes-web", "https://app.example.org/api/health", ATTACKER)
        traffic.require_means(maintenance=True)
    else:
        with pytest.raises(NotOffered, match=r"can't be told") as refused:
            traffic.require_means(maintenance=True)
        assert "[cluster] ingress" in refused.value.remedy
