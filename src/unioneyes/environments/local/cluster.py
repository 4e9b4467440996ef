"""The service on a Kubernetes: which adapters stand behind its ports, and what its pods are told of this machine."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from pydantic import SecretStr

from unioneyes.adapters.kubernetes.access import Access, NoAccess, find_access
from unioneyes.adapters.kubernetes.client import Cluster
from unioneyes.adapters.kubernetes.gateway.edge import GatewayEdge
from unioneyes.adapters.kubernetes.gateway.traffic import GatewayTraffic
from unioneyes.adapters.kubernetes.ingress_nginx import IngressAnnotations, IngressMaintenance, IngressNginxEdge
from unioneyes.adapters.kubernetes.pods import KubernetesPods
from unioneyes.adapters.kubernetes.replicas import APP, KubernetesReplicas
from unioneyes.adapters.kubernetes.selector import SelectorTraffic
from unioneyes.adapters.kubernetes.told import require_own, tell
from unioneyes.adapters.oci import ImageReleases, Repository, TaggedReleases
from unioneyes.adapters.postgres.bootstrap import DATABASE, SERVICE
from unioneyes.claims.metrics import read_counters, read_outcomes, read_pool
from unioneyes.claims.releases import Catalogue
from unioneyes.environments.local.no_edge import NoEdge
from unioneyes.environments.local.stack import Stack, service_configuration
from unioneyes.environments.secrets import SecretByReference
from unioneyes.environments.settings import ClusterSettings, ServiceSettings
from unioneyes.ports.edge import Edge, Network
from unioneyes.ports.traffic import Traffic

PROXIES_NAMESPACE = "envoy-gateway-system"
"""Where Envoy Gateway runs the proxies. Source: its documentation, "Deployment Mode"."""


def build_cluster(settings: ClusterSettings, *, namespace: str | None = None) -> Cluster:
    """Return the way to the service's namespace, or to another one of the same cluster; nothing is asked yet."""
    access = partial(_access, settings)
    return Cluster(access, namespace=namespace or settings.namespace, server=settings.server)


def _access(settings: ClusterSettings) -> Access:
    """Return the way that the settings name. Raises: NoAccess."""
    found = find_access(kubeconfig=Path(settings.kubeconfig).expanduser() if settings.kubeconfig else None, context=settings.context)
    if settings.service_account and not found.in_pod:
        raise NoAccess(
            what="[cluster] service_account says that ue runs in a pod, and this is none", remedy="ask the server in the cluster: UE_URL and UE_TOKEN"
        )
    return found


def build_image_releases(settings: ClusterSettings, service: ServiceSettings) -> ImageReleases:
    """Return the releases whose images are in the registry: those of UnionEyes' catalogue; of a plain service, all that were pushed."""
    reference = settings.registry_credentials
    credentials = SecretByReference("cluster.registry_credentials", reference) if reference else None
    repository = Repository(name=settings.images, plain=settings.plain_registry, credentials=credentials)
    return ImageReleases(TaggedReleases(repository) if service.plain else Catalogue(), repository)


def build_gateway_traffic(settings: ClusterSettings) -> GatewayTraffic:
    """Return the traffic by the Gateway API."""
    return GatewayTraffic(cluster=build_cluster(settings), proxies_cluster=build_cluster(settings, namespace=PROXIES_NAMESPACE))


def build_ingress(settings: ClusterSettings, *, path: str) -> IngressAnnotations | None:
    """Return the Ingress by which ingress-nginx serves members, where there is one; `path` is what is asked to see that a change does what it should."""
    if settings.ingress is None:
        return None
    return IngressAnnotations(cluster=build_cluster(settings), name=settings.ingress, members_url=f"{settings.url}{path}")


def build_selector_traffic(settings: ClusterSettings, *, path: str) -> SelectorTraffic:
    """Return the traffic by the Service's selector; `path` is what is asked to see that there is maintenance."""
    ingress = build_ingress(settings, path=path)
    maintenance = IngressMaintenance(ingress=ingress) if ingress else None
    return SelectorTraffic(cluster=build_cluster(settings), read_counters=read_counters, maintenance=maintenance)


def build_traffic(settings: ClusterSettings, *, path: str) -> Traffic:
    """Return what leads members on this cluster; `path` is what may be asked of the service to see that a change does what it should."""
    return build_selector_traffic(settings, path=path) if settings.traffic == "selector" else build_gateway_traffic(settings)


def build_gateway_edge(settings: ClusterSettings, *, path: str, own: tuple[Network, ...]) -> GatewayEdge:
    """Return the edge by Envoy Gateway's policies; `path` is what is asked of the service to see that a change does what it should."""
    return GatewayEdge(
        cluster=build_cluster(settings),
        proxies_cluster=build_cluster(settings, namespace=PROXIES_NAMESPACE),
        members_url=f"{settings.url}{path}",
        own=own,
    )


def build_edge(settings: ClusterSettings, *, path: str, own: tuple[Network, ...]) -> Edge:
    """Return what keeps requests away on this cluster."""
    if settings.traffic != "selector":
        return build_gateway_edge(settings, path=path, own=own)
    ingress = build_ingress(settings, path=path)
    return IngressNginxEdge(ingress=ingress, own=own) if ingress else NoEdge()


def build_kubernetes_replicas(stack: Stack, settings: ClusterSettings) -> KubernetesReplicas:
    """Return the replicas that the cluster runs."""
    return KubernetesReplicas(
        cluster=build_cluster(settings),
        image=build_image_releases(settings, stack.settings.service).image,
        configuration=lambda: service_configuration(stack),
        read_outcomes=(lambda _text, _replica: ()) if stack.settings.service.plain else read_outcomes,
        read_pool=(lambda _text, _replica: None) if stack.settings.service.plain else read_pool,
    )


def build_kubernetes_pods(replicas: KubernetesReplicas, settings: ClusterSettings) -> KubernetesPods:
    """Return the pods of the cluster, into which people go by their own kubectl."""
    kubeconfig = (f"--kubeconfig={Path(settings.kubeconfig).expanduser()}",) if settings.kubeconfig else ()
    context = (f"--context={settings.context}",) if settings.context else ()
    pods = KubernetesPods(replicas=replicas, kubectl=("kubectl", *kubeconfig, *context))
    return replace(pods, shell_program=settings.shell) if settings.shell else pods


def require_own_pods(stack: Stack, settings: ClusterSettings) -> None:
    """Return where no pods of another environment stand in the namespace. Raises: ForeignPods, and the problems of the cluster."""
    if settings.machine is not None:
        require_own(build_cluster(settings), app=APP, database_url=_database_url(stack))


def _database_url(stack: Stack) -> SecretStr:
    """Return where pods reach this machine's database."""
    return stack.primary.url(role=SERVICE, password=stack.passwords[SERVICE], database=DATABASE, elsewhere=True)


def tell_pods(stack: Stack, settings: ClusterSettings) -> None:
    """Pods that are started find the database and the vendors of this machine. Nothing where these run elsewhere: then whoever runs them says where.

    Raises: NamespaceMissing, ObjectMissing, MissingRight, Unavailable.
    """
    if settings.machine is None:
        return
    issuer = f"http://{settings.machine}:{stack.ports.vendors}/identity"
    tell(
        build_cluster(settings),
        addresses={"CLAIMS_JWKS_URL": f"{issuer}/.well-known/jwks.json", "CLAIMS_ISSUER": stack.issuer_url, "CLAIMS_ALLOW_FAULTS": "true"},
        database_url=_database_url(stack),
    )
