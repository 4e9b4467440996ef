"""What our adapters may do in the environment's namespace, asked before it is needed; what is missing is told as the Role to apply."""

from __future__ import annotations

import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import yaml
from lightkube.models.authorization_v1 import ResourceAttributes, SelfSubjectAccessReviewSpec
from lightkube.resources.authentication_v1 import SelfSubjectReview
from lightkube.resources.authorization_v1 import SelfSubjectAccessReview

from unioneyes.adapters.kubernetes.client import Cluster
from unioneyes.kernel.problems import Refused

_AT_ONCE = 8
"""Questions that are asked at the same time."""
_ROLE = "unioneyes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Right:
    """To do all this with the objects of one kind in the namespace. Source: Kubernetes' documentation, "Using RBAC Authorization"."""

    group: str = ""
    resource: str
    """`pods`, `pods/log`."""
    verbs: tuple[str, ...]

    def __str__(self) -> str:
        """Return it in words."""
        return f"{', '.join(self.verbs)} {self.resource}{f'.{self.group}' if self.group else ''}"


REPLICAS = (
    Right(group="apps", resource="deployments", verbs=("get", "patch")),
    Right(group="autoscaling", resource="horizontalpodautoscalers", verbs=("list",)),
    Right(resource="pods", verbs=("list", "watch", "create", "delete")),
    Right(resource="pods/log", verbs=("get",)),
    Right(resource="pods/proxy", verbs=("get",)),
    Right(resource="events", verbs=("list",)),
    Right(resource="configmaps", verbs=("get", "list", "create", "patch", "delete")),
    Right(resource="secrets", verbs=("create", "patch", "delete")),
)
"""What `KubernetesReplicas` does. It makes and removes one pod and one Secret: the rehearsal's."""

PODS = (
    Right(group="autoscaling", resource="horizontalpodautoscalers", verbs=("get", "list", "patch")),
    Right(resource="pods", verbs=("get", "list", "watch")),
    Right(group="metrics.k8s.io", resource="pods", verbs=("list",)),
)
"""What `KubernetesPods` does beside that. Without the metrics, CPU and memory are not told."""

TOLD = (Right(resource="configmaps", verbs=("patch",)), Right(resource="secrets", verbs=("get", "create", "patch")))
"""What telling pods where this machine's database is takes; nobody reads a Secret where that is somebody else's."""

_ENDPOINTS = Right(group="discovery.k8s.io", resource="endpointslices", verbs=("list",))
GATEWAY_TRAFFIC = (Right(group="gateway.networking.k8s.io", resource="httproutes", verbs=("get", "patch")), _ENDPOINTS)
"""What `GatewayTraffic` does in the service's namespace."""
GATEWAY_EDGE = (
    Right(group="gateway.envoyproxy.io", resource="backendtrafficpolicies", verbs=("get", "patch")),
    Right(group="gateway.envoyproxy.io", resource="securitypolicies", verbs=("get", "patch")),
)
"""What `GatewayEdge` does there."""
PROXIES = (Right(resource="pods", verbs=("list",)), Right(resource="pods/proxy", verbs=("get",)))
"""What both do where Envoy Gateway runs its proxies: another namespace."""
SELECTOR_TRAFFIC = (Right(resource="services", verbs=("get", "patch")), Right(resource="pods/proxy", verbs=("get", "create")), _ENDPOINTS)
"""What `SelectorTraffic` does."""
INGRESS_NGINX = (Right(group="networking.k8s.io", resource="ingresses", verbs=("get", "patch")),)
"""What `IngressNginxEdge` and `IngressMaintenance` do in the namespace. They read the Ingress's class too, which belongs to none."""

LOOKED_AT = (Right(resource="namespaces", verbs=("get",)), Right(resource="services", verbs=("get",)))
"""What is only looked at, to see that the manifests were applied."""
GATEWAY_LOOKED_AT = (
    Right(group="gateway.networking.k8s.io", resource="gateways", verbs=("get",)),
    Right(group="gateway.envoyproxy.io", resource="backendtrafficpolicies", verbs=("get",)),
    Right(group="gateway.envoyproxy.io", resource="securitypolicies", verbs=("get",)),
)
"""The same, where a Gateway leads the traffic."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Needed:
    """The rights that are needed in one namespace."""

    cluster: Cluster
    rights: tuple[Right, ...]


def missing(cluster: Cluster, rights: Iterable[Right]) -> tuple[Right, ...]:
    """Return which of the rights we do not have, each with the verbs that are missing. Raises: as `Cluster.get`."""
    single = [(right, verb) for right in together(rights) for verb in right.verbs]
    with ThreadPoolExecutor(_AT_ONCE) as asking:
        held = list(asking.map(lambda one: _may(cluster, *one), single))
    return together(replace(right, verbs=(verb,)) for (right, verb), may in zip(single, held, strict=True) if not may)


def together(rights: Iterable[Right]) -> tuple[Right, ...]:
    """Return one right for each kind of object, with every verb that is said of it."""
    verbs: dict[tuple[str, str], dict[str, None]] = {}
    for right in rights:
        verbs.setdefault((right.group, right.resource), {}).update(dict.fromkeys(right.verbs))
    return tuple(Right(group=group, resource=resource, verbs=tuple(said)) for (group, resource), said in verbs.items())


def require(*needed: Needed) -> None:
    """Return where we have all of the rights. Raises: MissingRights, with the Roles to apply; and as `Cluster.get`."""
    lacking = [(each, found) for each in needed if (found := missing(each.cluster, each.rights))]
    if not lacking:
        return
    who = whoami(lacking[0][0].cluster)
    said = "; ".join(f"in the namespace {each.cluster.namespace}: {'; '.join(map(str, found))}" for each, found in lacking)
    roles = "---\n".join(role(each.rights, namespace=each.cluster.namespace, who=who) for each, _ in lacking)
    raise MissingRights(what=f"{who} may not, {said}", remedy=f"let an administrator apply this (kubectl apply -f -):\n{roles}")


def role(rights: Iterable[Right], *, namespace: str, who: str) -> str:
    """Return the Role and its binding to `who`, as YAML: all of the rights, so that the same Role applied again takes none away."""
    rules = [{"apiGroups": [right.group], "resources": [right.resource], "verbs": list(right.verbs)} for right in together(rights)]
    api = "rbac.authorization.k8s.io"
    account = who.removeprefix("system:serviceaccount:").split(":") if who.startswith("system:serviceaccount:") else None
    subject = {"kind": "ServiceAccount", "namespace": account[0], "name": account[1]} if account else {"apiGroup": api, "kind": "User", "name": who}
    of = {"name": f"{_ROLE}-{re.sub('[^a-z0-9]+', '-', (account[1] if account else who).lower()).strip('-')}", "namespace": namespace}
    binding = {"roleRef": {"apiGroup": api, "kind": "Role", "name": of["name"]}, "subjects": [subject]}
    documents = (
        {"apiVersion": f"{api}/v1", "kind": "Role", "metadata": of, "rules": rules},
        {"apiVersion": f"{api}/v1", "kind": "RoleBinding", "metadata": of, **binding},
    )
    return yaml.safe_dump_all(documents, sort_keys=False)


def whoami(cluster: Cluster) -> str:
    """Return whom the API server takes us for."""
    told = cluster.ask_about_us(SelfSubjectReview())
    user = told.status.userInfo if told.status else None
    return (user.username if user else None) or "unknown"


def _may(cluster: Cluster, right: Right, verb: str) -> bool:
    resource, _, part = right.resource.partition("/")
    wanted = ResourceAttributes(group=right.group, namespace=cluster.namespace, resource=resource, subresource=part or None, verb=verb)
    told = cluster.ask_about_us(SelfSubjectAccessReview(spec=SelfSubjectAccessReviewSpec(resourceAttributes=wanted)))
    return bool(told.status and told.status.allowed)


class MissingRights(Refused):
    """Who operates the environment may not do all of it in the cluster."""
