"""The adapters that both starting the stack and operating it need: the supervisor, the traffic, the replicas, the releases."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_network

from pydantic import SecretStr

from unioneyes.adapters.envoy.edge import EnvoyEdge
from unioneyes.adapters.envoy.traffic import EnvoyTraffic
from unioneyes.adapters.processes.client import Supervisor
from unioneyes.adapters.processes.pods import LocalPods
from unioneyes.adapters.processes.replicas import LocalReplicas
from unioneyes.adapters.processes.spec import ProcessSpec
from unioneyes.claims.metrics import read_outcomes, read_pool
from unioneyes.claims.releases import Catalogue
from unioneyes.environments.local.layout import Layout
from unioneyes.environments.local.remnants import MARK
from unioneyes.environments.local.stack import Stack, rehearsal_process, rehearsal_url_file, replica_process, service_configuration
from unioneyes.environments.settings import EnvironmentSettings
from unioneyes.kernel.files import replace_file
from unioneyes.ports.edge import Edge, Network
from unioneyes.ports.pods import Pods
from unioneyes.ports.releases import Releases
from unioneyes.ports.replicas import Replicas
from unioneyes.ports.traffic import Traffic

SERVICE_NAME = "unioneyes-web"
"""What the service is called, as its Deployments are."""
_THIS_MACHINE = (ip_network("127.0.0.1/32"), ip_network("::1/128"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """What differs by where the service runs."""

    releases: Releases
    replicas: Replicas
    pods: Pods
    traffic: Traffic
    edge: Edge


def build_serving(stack: Stack) -> Serving:
    """Return the ports of the service where it runs: as processes of this machine, or on a cluster. Nothing is asked yet."""
    if (settings := stack.settings.cluster) is None:
        envoy, catalogue = build_envoy(stack), Catalogue()
        replicas = build_local_replicas(stack, envoy)
        pods = LocalPods(replicas=replicas, image=lambda version: f"{SERVICE_NAME}@sha256:{catalogue.digest(version)}", marks=frozenset({MARK}))
        return Serving(releases=catalogue, replicas=replicas, pods=pods, traffic=envoy, edge=build_envoy_edge(stack))
    from unioneyes.environments.local import cluster  # noqa: PLC0415 - what talks to clusters is an extra

    run_there = cluster.build_kubernetes_replicas(stack, settings)
    return Serving(
        releases=cluster.build_image_releases(settings, stack.settings.service),
        replicas=run_there,
        pods=cluster.build_kubernetes_pods(run_there, settings),
        traffic=cluster.build_traffic(settings, path=stack.settings.service.health_path),
        edge=cluster.build_edge(settings, path=stack.settings.service.health_path, own=own_networks(stack.settings)),
    )


def require_operable(settings: EnvironmentSettings) -> None:
    """Return where we may do all that is needed where the service runs. Raises: as `examine_cluster.require_operable`."""
    if settings.cluster is not None:
        from unioneyes.environments.local import examine_cluster  # noqa: PLC0415 - what talks to clusters is an extra

        examine_cluster.require_operable(settings.cluster)


def require_own_pods(stack: Stack) -> None:
    """Return where no other environment operates the service's pods. Raises: ForeignPods, and the problems of the cluster."""
    if stack.settings.cluster is not None:
        from unioneyes.environments.local import cluster  # noqa: PLC0415 - what talks to clusters is an extra

        cluster.require_own_pods(stack, stack.settings.cluster)


def build_supervisor(layout: Layout) -> Supervisor:
    """Return the way to the stack's supervisor."""
    return Supervisor(layout.sockets)


def build_envoy(stack: Stack) -> EnvoyTraffic:
    """Return the traffic through the stack's Envoy."""
    return EnvoyTraffic(
        folder=stack.layout.envoy,
        public_port=stack.ports.service,
        preview_port=stack.ports.preview,
        admin_socket=stack.layout.envoy_admin,
    )


def build_envoy_edge(stack: Stack) -> EnvoyEdge:
    """Return the edge of the stack's Envoy."""
    return EnvoyEdge(
        folder=stack.layout.envoy,
        public_port=stack.ports.service,
        admin_socket=stack.layout.envoy_admin,
        path=stack.settings.service.health_path,
        own=own_networks(stack.settings),
    )


def own_networks(settings: EnvironmentSettings) -> tuple[Network, ...]:
    """Return whom the edge never keeps out."""
    return (*(ip_network(each) for each in settings.edge.own), *_THIS_MACHINE)


def build_local_replicas(stack: Stack, traffic: EnvoyTraffic) -> LocalReplicas:
    """Return the replicas that the stack's supervisor runs."""

    def rehearsal(version: str, database_url: SecretStr, port: int) -> ProcessSpec:
        replace_file(rehearsal_url_file(stack), database_url.get_secret_value())
        return rehearsal_process(stack, version, port)

    return LocalReplicas(
        supervisor=build_supervisor(stack.layout),
        command=lambda slot: replica_process(stack, slot),
        folder=stack.layout.sockets,
        logs_folder=stack.layout.logs,
        state_file=stack.layout.replicas,
        endpoints=traffic.publish,
        rehearsal_command=rehearsal,
        revisions_file=stack.layout.revisions,
        configuration=lambda: service_configuration(stack),
        read_outcomes=read_outcomes,
        read_pool=read_pool,
    )
