"""What pods are told of where they run: the environment's addresses, and the database's credentials."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from lightkube.resources.core_v1 import ConfigMap, Secret
from pydantic import SecretStr

from unioneyes.adapters.kubernetes.client import Cluster

ADDRESSES, CREDENTIALS = "unioneyes-web", "database-credentials"
"""The ConfigMap and the Secret that the Deployments of `k8s/base` name."""
_WITHIN = timedelta(seconds=5)


def tell(cluster: Cluster, *, addresses: Mapping[str, str], database_url: SecretStr) -> None:
    """Pods that are started from now on have these. Safe to repeat. Raises: NamespaceMissing, MissingRight, and the others of `failures`."""
    cluster.check()
    cluster.apply(ConfigMap, ADDRESSES, {"data": {**addresses}}, force=True, within=_WITHIN)
    cluster.apply(Secret, CREDENTIALS, {"type": "Opaque", "stringData": {"url": database_url.get_secret_value()}}, force=True, within=_WITHIN)
