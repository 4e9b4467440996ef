"""What pods are told of where they run: the environment's addresses, and the database's credentials."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import urlsplit

from lightkube.resources.core_v1 import ConfigMap, Pod, Secret
from pydantic import JsonValue, SecretStr

from unioneyes.adapters.kubernetes.client import Cluster
from unioneyes.adapters.kubernetes.failures import ObjectMissing
from unioneyes.adapters.kubernetes.fencing import write
from unioneyes.kernel.problems import Refused, Unavailable

ADDRESSES, CREDENTIALS, URL = "unioneyes-web", "database-credentials", "url"
"""The ConfigMap and the Secret that the Deployments of `k8s/base` name, and the Secret's key."""
_WITHIN = timedelta(seconds=5)


def tell(cluster: Cluster, *, addresses: Mapping[str, str], database_url: SecretStr) -> None:
    """Pods that are started from now on have these. Safe to repeat. Raises: NamespaceMissing, MissingRight, and the others of `failures`."""
    cluster.check()
    cluster.apply(ConfigMap, ADDRESSES, {"data": {**addresses}}, force=True, within=_WITHIN)
    hand_over(cluster, database_url)


def require_own(cluster: Cluster, *, app: str, database_url: SecretStr) -> None:
    """Return where no pods stand that were told of another database: they would be led to ours, with nothing of their members in it. Raises: ForeignPods."""
    kept = cluster.find(Secret, CREDENTIALS, within=_WITHIN)
    before = base64.b64decode((kept.data or {}).get(URL, "")).decode(errors="replace") if kept else ""
    if not before or _place(before) == _place(database_url.get_secret_value()) or not cluster.list(Pod, labels={"app": app}, within=_WITHIN):
        return
    raise ForeignPods(
        what=f"the pods in the namespace {cluster.namespace} use the database at {_place(before)}: another environment operates them",
        remedy=f"name another namespace in [cluster]; or, where that environment is gone: kubectl -n {cluster.namespace} delete secret {CREDENTIALS}",
    )


def _place(url: str) -> str:
    """Return where the database is, without who goes there."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port}{parts.path}"


def hand_over(cluster: Cluster, database_url: SecretStr) -> bool:
    """Pods that are started from now on reach the database by `database_url`; return whether that is another way than before. Safe to repeat.

    In those that run, the kubelet replaces the file within about a minute, and what they open then goes by it; connections that are open stay as they are.
    When no pod may go by the former one any more, they are started anew: `ports.pods.Pods.restart`. Raises: FencedOff, NotHandedOver, and as `tell`.
    """
    wanted = base64.b64encode(database_url.get_secret_value().encode()).decode()
    said: Mapping[str, JsonValue] = {"type": "Opaque", "data": {URL: wanted}}
    before = cluster.find(Secret, CREDENTIALS, within=_WITHIN)
    try:
        written = write(cluster, Secret, CREDENTIALS, lambda _there: said) if before else cluster.apply(Secret, CREDENTIALS, said, within=_WITHIN)
    except ObjectMissing:  # somebody removed it in this moment
        written = cluster.apply(Secret, CREDENTIALS, said, within=_WITHIN)
    if (written.data or {}).get(URL) != wanted:
        raise NotHandedOver(what=f"the Secret {CREDENTIALS} does not say what was written to it", remedy="see whether an admission webhook changes it")
    return before is None or (before.data or {}).get(URL) != wanted


class ForeignPods(Refused):
    """Another environment operates what stands in the namespace: nothing was changed."""


class NotHandedOver(Unavailable):
    """The Secret has other credentials than it was given."""
