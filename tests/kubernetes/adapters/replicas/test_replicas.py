"""Replicas as pods: the port's promises, and what only a cluster does."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from tests.contract.replicas.promises import ReplicasPromises
from tests.kubernetes.adapters.replicas.conftest import Service
from tests.kubernetes.adapters.replicas.stand_in import deployment
from tests.kubernetes.cluster.kubectl import KubectlFailed
from unioneyes.ports.replicas import PoolUse
from unioneyes.ports.traffic import Colour

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(400)]


class TestKubernetesReplicas(ReplicasPromises):
    """The promises of the port, kept by pods of two Deployments."""


def test_from_the_first_start_on_manifests_leave_both_colours_to_us(service: Service) -> None:
    def leave(colour: Colour) -> None:
        said = json.loads(json.dumps(deployment(service.namespace, colour)))
        del said["spec"]["replicas"], said["spec"]["template"]["spec"]["containers"][0]["image"]
        service.type("apply", "--server-side", "--filename=-", fed=json.dumps(said))

    with pytest.raises(KubectlFailed, match="image: Required value"):
        leave(Colour.GREEN)
    service.replicas.start(Colour.BLUE, version="1.0.0", count=1, within=timedelta(seconds=90))
    before = service.running(Colour.BLUE)
    for colour in Colour:
        leave(colour)
    assert service.running(Colour.BLUE) == before
    assert service.running(Colour.GREEN) == frozenset()
    service.replicas.stop(Colour.GREEN)
    leave(Colour.GREEN)


def test_each_ready_pod_says_how_it_uses_its_connections_and_what_says_nothing_is_not_made_up(service: Service) -> None:
    silent = service.configured({"POOL": ""})
    silent.start(Colour.BLUE, version="1.0.0", count=1, within=timedelta(seconds=90))
    assert silent.pools(Colour.BLUE) == (), "it counts none"
    assert service.replicas.pools(Colour.GREEN) == (), "nothing runs"
    counting = service.configured({"POOL": "8"})
    counting.start(Colour.GREEN, version="1.1.0", count=2, within=timedelta(seconds=90))
    pods = sorted(each.name for each in counting.all() if each.colour is Colour.GREEN)
    assert len(pods) == 2
    assert counting.pools(Colour.GREEN) == tuple(PoolUse(replica=pod, used=3, idle=1, most=8, waiting=2) for pod in pods)
    assert counting.pools(Colour.BLUE) == ()
