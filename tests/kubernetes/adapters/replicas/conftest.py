from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

import pytest
from pydantic import JsonValue

from tests.kubernetes.adapters.colours import APP
from tests.kubernetes.adapters.replicas.stand_in import deployment, secret
from tests.kubernetes.cluster.kubectl import Kubectl
from tests.kubernetes.cluster.lent import Lent
from unioneyes.adapters.kubernetes.access import find_access
from unioneyes.adapters.kubernetes.client import Cluster
from unioneyes.adapters.kubernetes.failures import PodSilent
from unioneyes.adapters.kubernetes.replicas import KubernetesReplicas
from unioneyes.claims.metrics import read_pool
from unioneyes.kernel.ids import new_id
from unioneyes.ports.replicas import Outcome, SliceKind
from unioneyes.ports.traffic import Colour

MISSING = "3.0.0-missing"
"""A version whose image nobody pushed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service in a namespace of its own; its releases are stand-ins."""

    kubectl: Kubectl
    replicas: KubernetesReplicas

    @property
    def namespace(self) -> str:
        return self.replicas.cluster.namespace

    def configured(self, settings: Mapping[str, str]) -> KubernetesReplicas:
        return replace(self.replicas, configuration=lambda: settings)

    def running(self, colour: Colour) -> frozenset[str]:
        listed = json.loads(self.type("get", "pods", "--selector", f"app={APP},version={colour}", "--output=json"))
        return frozenset(pod["metadata"]["uid"] for pod in listed["items"] if pod["status"].get("phase") not in {"Succeeded", "Failed"})

    def ask(self, colour: Colour, path: str = "/") -> str:
        return str(self._said(self._names(colour)[0], path)["version"])

    def settings_of(self, colour: Colour) -> list[Mapping[str, str]]:
        found = [self._said(name, "/")["settings"] for name in self._names(colour)]
        return [{key: str(value) for key, value in each.items()} for each in found if isinstance(each, dict)]

    def fail(self, colour: Colour) -> None:
        with suppress(PodSilent):
            self.replicas.cluster.ask_pod(self._names(colour)[0], 8000, "/exit/3")

    def rehearses_on(self) -> str:
        return str(self._said(f"{APP}-rehearsal", "/")["database"])

    def type(self, *words: str, fed: str = "") -> str:
        """A person types a kubectl command in the namespace."""
        return self.kubectl("--namespace", self.namespace, *words, fed=fed, within=120)

    def _said(self, pod: str, path: str) -> dict[str, JsonValue]:
        said: dict[str, JsonValue] = self.replicas.cluster.ask_pod(pod, 8000, path).json()
        return said

    def _names(self, colour: Colour) -> list[str]:
        return [replica.name for replica in self.replicas.all() if replica.colour is colour and replica.ready]


@pytest.fixture
def image(lent: Lent) -> Callable[[str], str]:
    """Return the image of a version: the cluster's base, by digest, but for one that nobody pushed."""
    assert lent.own, "the base image is in our own registry"
    registry = lent.own.addresses.registry
    return lambda version: f"{registry}/replicas-nobody-pushed@sha256:{'0' * 64}" if version == MISSING else f"{registry}/base"


@pytest.fixture
def service(lent: Lent, image: Callable[[str], str]) -> Iterator[Service]:
    """A service of which nothing runs yet, in a namespace that is gone afterwards."""
    namespace = new_id("unioneyes-test").lower()
    lent.kubectl("create", "namespace", namespace)
    try:
        lent.kubectl.apply(secret(namespace), *(deployment(namespace, colour) for colour in Colour))
        cluster = Cluster(lambda: find_access({}, kubeconfig=lent.kubectl.kubeconfig), namespace=namespace)
        replicas = KubernetesReplicas(cluster=cluster, image=image, configuration=dict, read_outcomes=_counted, read_pool=read_pool)
        yield Service(kubectl=lent.kubectl, replicas=replicas)
        cluster.close()
    finally:
        lent.kubectl("delete", "namespace", namespace, "--wait=false")


@pytest.fixture
def world(service: Service) -> Service:
    """The same, as the promises know it."""
    return service


def _counted(text: str, name: str) -> tuple[Outcome, ...]:
    return (Outcome(replica=name, kind=SliceKind.ROUTE, name=str(json.loads(text)["version"]), answers=3, errors=1),)
