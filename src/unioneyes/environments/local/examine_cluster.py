"""Whether the environment's cluster can be operated from here: asked when it is started, and by the doctor. Changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from unioneyes.adapters.kubernetes.applied import GATEWAY_API, require_applied, require_gateway, require_gateway_api
from unioneyes.adapters.kubernetes.ingress_nginx import IngressAnnotations
from unioneyes.adapters.kubernetes.rights import (
    GATEWAY_EDGE,
    GATEWAY_LOOKED_AT,
    GATEWAY_TRAFFIC,
    INGRESS_NGINX,
    LOOKED_AT,
    PODS,
    PROXIES,
    REPLICAS,
    SELECTOR_TRAFFIC,
    TOLD,
    Needed,
    require,
    whoami,
)
from unioneyes.environments.local.cluster import (
    PROXIES_NAMESPACE,
    build_cluster,
    build_gateway_traffic,
    build_image_releases,
    build_ingress,
    build_selector_traffic,
)
from unioneyes.environments.local.doctor import Finding, Health
from unioneyes.environments.settings import ClusterSettings, ServiceSettings
from unioneyes.kernel.problems import Problem
from unioneyes.ports.releases import UnknownVersion

_NAMED = 3
"""Releases without an image, of which more are only counted."""


def require_operable(settings: ClusterSettings) -> None:
    """Return where the context leads to the environment's cluster, its namespace is there, and we have every right that is needed.

    Raises: NoAccess, WrongCluster, UnknownToCluster, NamespaceMissing, MissingRights (with the Role to apply), ClusterUnavailable.
    """
    cluster = build_cluster(settings)
    try:
        needed = _needed(settings)
        require(*needed)
        cluster.check()
    finally:
        cluster.close()


def knows_gateway_api(settings: ClusterSettings) -> bool:
    """Return whether the cluster has the kinds of the Gateway API. Raises: NoAccess, WrongCluster, UnknownToCluster, ClusterUnavailable."""
    cluster = build_cluster(settings)
    try:
        return cluster.knows(GATEWAY_API)
    finally:
        cluster.close()


def examine_cluster(settings: ClusterSettings, service: ServiceSettings) -> tuple[Finding, ...]:
    """Return a finding for each of: the way to the cluster, our rights, the manifests, the Gateway or the Service, the registry."""
    return tuple(_findings(settings, service))


def _findings(settings: ClusterSettings, service: ServiceSettings) -> Iterator[Finding]:
    cluster = build_cluster(settings)
    reached = _finding("cluster", lambda: f"{cluster.server()} knows us as {whoami(cluster)}")
    yield reached
    if reached.health is not Health.BAD:
        yield _finding("rights", lambda: _rights(settings))
        yield _finding("manifests", lambda: f"{require_applied(cluster, routed=_routed(settings))} objects are there, in {cluster.namespace}")
        yield _finding("gateway", lambda: _gateway(settings)) if _routed(settings) else _finding("service", lambda: _selector(settings, service.health_path))
        if (ingress := build_ingress(settings, path=service.health_path)) is not None:
            yield _finding("ingress", lambda: _ingress(ingress))
    yield _registry(settings, service)
    cluster.close()


def _rights(settings: ClusterSettings) -> str:
    needed = _needed(settings)
    require(*needed)
    return f"all that are needed, in {' and '.join(each.cluster.namespace for each in needed)}"


def _gateway(settings: ClusterSettings) -> str:
    traffic = build_gateway_traffic(settings)
    require_gateway_api(traffic.cluster)
    addresses = require_gateway(traffic.cluster, traffic.gateway)
    runs = "run" if traffic.view().in_force else "do not run yet"
    return f"programmed at {', '.join(addresses) or 'no address'}; its proxies {runs} what is filed"


def _selector(settings: ClusterSettings, path: str) -> str:
    traffic = build_selector_traffic(settings, path=path)
    view = traffic.view()
    follows = "its endpoints are that" if view.in_force else "its endpoints do not follow it yet"
    return f"the selector of {traffic.app} leads members to {view.weights.live or 'nobody'}; {follows}"


def _ingress(ingress: IngressAnnotations) -> str:
    ingress.read()
    return f"{ingress} is served by ingress-nginx, whose doing is untested"


def _registry(settings: ClusterSettings, service: ServiceSettings) -> Finding:
    """Return which releases have an image. That some have none hinders nobody who deploys another."""
    releases, missing = build_image_releases(settings, service), []
    try:
        every = releases.all()
    except Problem as problem:
        return Finding(check="registry", health=Health.BAD, detail=problem.what, remedy=problem.remedy)
    if not every:
        return Finding(check="registry", health=Health.BAD, detail=f"{settings.images} has no image yet", remedy="push one whose tag is its version")
    for release in every:
        try:
            releases.digest(release.version)
        except UnknownVersion:
            missing.append(release.version)
        except Problem as problem:
            return Finding(check="registry", health=Health.BAD, detail=problem.what, remedy=problem.remedy)
    if missing:
        return Finding(
            check="registry",
            health=Health.BAD if len(missing) == len(every) else Health.WARNING,
            detail=f"{settings.images} has no image of {', '.join(missing[:_NAMED])}{f' and {len(missing) - _NAMED} more' if len(missing) > _NAMED else ''}",
            remedy=f"push what is to be deployed: make image IMAGE=service PUSH={settings.images} VERSION={missing[0]}",
        )
    return Finding(check="registry", health=Health.GOOD, detail=f"{settings.images} has an image of each of {len(every)} releases")


def _needed(settings: ClusterSettings) -> tuple[Needed, ...]:
    everywhere = (*REPLICAS, *PODS, *LOOKED_AT, *(TOLD if settings.machine else ()))
    if not _routed(settings):
        ingress = INGRESS_NGINX if settings.ingress else ()
        return (Needed(cluster=build_cluster(settings), rights=(*everywhere, *SELECTOR_TRAFFIC, *ingress)),)
    return (
        Needed(cluster=build_cluster(settings), rights=(*everywhere, *GATEWAY_TRAFFIC, *GATEWAY_EDGE, *GATEWAY_LOOKED_AT)),
        Needed(cluster=build_cluster(settings, namespace=PROXIES_NAMESPACE), rights=PROXIES),
    )


def _routed(settings: ClusterSettings) -> bool:
    return settings.traffic == "gateway"


def _finding(check: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(check=check, health=Health.GOOD, detail=look())
    except Problem as problem:
        return Finding(check=check, health=Health.BAD, detail=problem.what, remedy=problem.remedy)
