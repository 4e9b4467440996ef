"""A colour whose last replica goes in the moment of the switch: members are led back, by the same selector."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import JsonValue

from tests.contract.kubernetes.scripted import NAMESPACE, saying, scripted
from unioneyes.adapters.kubernetes.selector import SelectorTraffic
from unioneyes.claims.metrics import read_counters
from unioneyes.ports.traffic import Colour, NoHealthyReplica, Weights


def service(version: str, seen: str) -> dict[str, JsonValue]:
    metadata: JsonValue = {"name": "unioneyes-web", "namespace": NAMESPACE, "resourceVersion": seen}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"selector": {"app": "unioneyes-web", "version": version}}}


def slices(*pods: str) -> dict[str, JsonValue]:
    endpoints: JsonValue = [{"addresses": ["10.0.0.1"], "conditions": {"ready": True}, "targetRef": {"kind": "Pod", "name": pod}} for pod in pods]
    one: JsonValue = {"metadata": {"name": "one", "namespace": NAMESPACE}, "addressType": "IPv4", "endpoints": endpoints}
    return {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSliceList", "metadata": {"resourceVersion": "1"}, "items": [one]}


@pytest.mark.parametrize("behind", [(), ("blue-1",)], ids=["nobody behind the Service", "the old colour behind it yet"])
def test_members_are_led_back_where_the_colour_lost_its_last_replica(tmp_path: Path, behind: tuple[str, ...]) -> None:
    with scripted(tmp_path) as script:
        traffic = SelectorTraffic(cluster=script.cluster, read_counters=read_counters)
        script.then(saying(slices("green-1")), saying(service("blue", "1")), saying(service("green", "2")))
        script.then(saying(slices(*behind)), saying(slices()))
        script.then(saying(service("green", "2")), saying(service("blue", "3")))

        with pytest.raises(NoHealthyReplica, match=r"green has no healthy replica.*members are led as before"):
            traffic.shift(Weights.all_to(Colour.GREEN))

        assert [json.loads(said)["spec"]["selector"]["version"] for said in script.sent] == ["green", "blue"]
        assert not script.answers


def test_a_colour_without_a_replica_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with scripted(tmp_path) as script:
        traffic = SelectorTraffic(cluster=script.cluster, read_counters=read_counters)
        script.then(saying(slices()))

        with pytest.raises(NoHealthyReplica, match="no endpoint that is ready"):
            traffic.shift(Weights.all_to(Colour.GREEN))

        assert script.sent == []
