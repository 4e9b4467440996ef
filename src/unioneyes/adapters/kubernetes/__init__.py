"""Kubernetes: secrets out of its API."""

from unioneyes.adapters.kubernetes.access import Access, find_access
from unioneyes.adapters.kubernetes.secrets import KubernetesSecrets

__all__ = ["Access", "KubernetesSecrets", "find_access"]
