"""What pods are told of where they run: the environment's addresses, and the database's credentials."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import timedelta

from lightkube.resources.core_v1 import ConfigMap, Secret
from pydantic import JsonValue, SecretStr

from unioneyes.adapters.kubernetes.client import Cluster
from unioneyes.adapters.kubernetes.failures import ObjectMissing
from unioneyes.adapters.kubernetes.fencing import write
from unioneyes.kernel.problems import Unavailable

ADDRESSES, CREDENTIALS, URL = "unioneyes-web", "database-credentials", "url"
"""The ConfigMap and the Secret that the Deployments of `k8s/base` name, and the Secret's key."""
_WITHIN = timedelta(seconds=5)


def tell(cluster: Cluster, *, addresses: Mapping[str, str], database_url: SecretStr) -> None:
    """Pods that are started from now on have these. Safe to repeat. Raises: NamespaceMissing, MissingRight, and the others of `failures`."""
    cluster.check()
    cluster.apply(ConfigMap, ADDRESSES, {"data": {**addresses}}, force=True, within=_WITHIN)
    hand_over(cluster, database_url)


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


class NotHandedOver(Unavailable):
    """The Secret has other credentials than it was given."""
