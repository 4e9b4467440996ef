"""Whether the environment's cluster can be operated from here: asked when it is started, and by the doctor. Changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from unioneyes.adapters.kubernetes.applied import require_applied, require_gateway
from unioneyes.adapters.kubernetes.rights import GATEWAY_TRAFFIC, LOOKED_AT, PODS, PROXIES, REPLICAS, TOLD, Needed, require, whoami
from unioneyes.environments.local.cluster import PROXIES_NAMESPACE, build_cluster, build_gateway_traffic, build_image_releases
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


def examine_cluster(settings: ClusterSettings, service: ServiceSettings) -> tuple[Finding, ...]:
    """Return a finding for each of: the way to the cluster, our rights, the manifests, the Gateway, the registry."""
    return tuple(_findings(settings, service))


def _findings(settings: ClusterSettings, service: ServiceSettings) -> Iterator[Finding]:
    cluster = build_cluster(settings)
    reached = _finding("cluster", lambda: f"{cluster.server()} knows us as {whoami(cluster)}")
    yield reached
    if reached.health is not Health.BAD:
        yield _finding("rights", lambda: _rights(settings))
        yield _finding("manifests", lambda: f"{require_applied(cluster)} objects are there, in {cluster.namespace}")
        yield _finding("gateway", lambda: _gateway(settings))
    yield _registry(settings, service)
    cluster.close()


def _rights(settings: ClusterSettings) -> str:
    needed = _needed(settings)
    require(*needed)
    return f"all that are needed, in {' and '.join(each.cluster.namespace for each in needed)}"


def _gateway(settings: ClusterSettings) -> str:
    traffic = build_gateway_traffic(settings)
    addresses = require_gateway(traffic.cluster, traffic.gateway)
    runs = "run" if traffic.view().in_force else "do not run yet"
    return f"programmed at {', '.join(addresses) or 'no address'}; its proxies {runs} what is filed"


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
    return (
        Needed(cluster=build_cluster(settings), rights=(*REPLICAS, *PODS, *GATEWAY_TRAFFIC, *LOOKED_AT, *(TOLD if settings.machine else ()))),
        Needed(cluster=build_cluster(settings, namespace=PROXIES_NAMESPACE), rights=PROXIES),
    )


def _finding(check: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(check=check, health=Health.GOOD, detail=look())
    except Problem as problem:
        return Finding(check=check, health=Health.BAD, detail=problem.what, remedy=problem.remedy)
