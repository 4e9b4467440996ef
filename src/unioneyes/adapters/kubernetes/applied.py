"""Whether the manifests of `k8s/` were applied, and whether the Gateway that they ask for is there. Only looked at."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from lightkube.core.resource import NamespacedResource, api_info
from lightkube.generic_resource import create_namespaced_resource
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Service
from pydantic import BaseModel

from unioneyes.adapters.kubernetes.client import Cluster
from unioneyes.adapters.kubernetes.failures import APPLY, KindMissing, ObjectMissing
from unioneyes.adapters.kubernetes.gateway.edge import DENY_LIST, RATE_LIMIT
from unioneyes.adapters.kubernetes.gateway.filed import BACKEND_TRAFFIC_POLICY, HTTP_ROUTE, SECURITY_POLICY
from unioneyes.adapters.kubernetes.gateway.routes import NAMES, Names
from unioneyes.kernel.problems import Refused
from unioneyes.ports.traffic import Colour

GATEWAY_API = "gateway.networking.k8s.io"
"""The group of the Gateway API's kinds."""
GATEWAY = create_namespaced_resource(GATEWAY_API, "v1", "Gateway", "gateways")
_AT_ONCE = 8
"""Objects that are asked for at the same time."""


class _Condition(BaseModel):
    type: str
    status: str
    reason: str = ""
    message: str = ""


class _Address(BaseModel):
    value: str


class _Status(BaseModel):
    conditions: list[_Condition] = []
    addresses: list[_Address] = []


class _Gateway(BaseModel):
    status: _Status = _Status()


def manifests(names: Names = NAMES, *, routed: bool = True) -> tuple[tuple[type[NamespacedResource], str], ...]:
    """Return what the manifests make that is operated, or leads members to it; `routed`: by a Gateway."""
    colours = tuple(f"{names.app}-{colour}" for colour in Colour)
    selected: tuple[tuple[type[NamespacedResource], str], ...] = (
        *((Deployment, name) for name in colours),
        *((Service, name) for name in (names.app, *colours)),
    )
    if not routed:
        return selected
    return (
        *selected,
        (HTTP_ROUTE, names.app),
        (HTTP_ROUTE, names.preview),
        (BACKEND_TRAFFIC_POLICY, RATE_LIMIT),
        (SECURITY_POLICY, DENY_LIST),
    )


def require_gateway_api(cluster: Cluster) -> None:
    """Return where the cluster knows the Gateway API. Raises: NoGatewayApi, and as `Cluster.get`."""
    if not cluster.knows(GATEWAY_API):
        raise NoGatewayApi(
            what="the cluster does not know the Gateway API, by which [cluster] traffic leads members",
            remedy='install Envoy Gateway; or lead them by the Service\'s selector: [cluster] traffic = "selector", and k8s/overlays/production-selector',
        )


def require_applied(cluster: Cluster, names: Names = NAMES, *, routed: bool = True) -> int:
    """Return how many objects of the manifests there are: all of them. Raises: NotApplied, and as `Cluster.get`."""
    wanted = manifests(names, routed=routed)
    with ThreadPoolExecutor(_AT_ONCE) as asking:
        there = list(asking.map(lambda one: _is_there(cluster, *one), wanted))
    if absent := [f"{api_info(kind).resource.kind} {name}" for (kind, name), found in zip(wanted, there, strict=True) if not found]:
        raise NotApplied(what=f"the namespace {cluster.namespace} has no {', no '.join(absent)}", remedy=APPLY)
    return len(wanted)


def require_gateway(cluster: Cluster, name: str) -> tuple[str, ...]:
    """Return the addresses of the Gateway, which is programmed. Raises: NotProgrammed with the Gateway's own reason, and as `Cluster.get`."""
    status = _Gateway.model_validate(dict(cluster.get(GATEWAY, name))).status
    see = f"kubectl -n {cluster.namespace} describe gateway {name}; does Envoy Gateway run?"
    for wanted in ("Accepted", "Programmed"):
        found = next((each for each in status.conditions if each.type == wanted), None)
        if found is None:
            raise NotProgrammed(what=f"nobody has taken the Gateway {name} yet", remedy=see)
        if found.status != "True":
            raise NotProgrammed(what=f"the Gateway {name} is not {wanted.lower()}: {found.reason}: {found.message}", remedy=see)
    return tuple(each.value for each in status.addresses)


def _is_there(cluster: Cluster, kind: type[NamespacedResource], name: str) -> bool:
    try:
        cluster.get(kind, name)
    except (ObjectMissing, KindMissing):
        return False
    return True


class NotApplied(Refused):
    """What the manifests make is not all there."""


class NoGatewayApi(Refused):
    """The environment leads its traffic by the Gateway API, and the cluster has none."""


class NotProgrammed(Refused):
    """Members' requests reach nothing through the Gateway yet."""
