"""Replicas as pods: the port's promises, and what only a cluster does."""

from __future__ import annotations

import pytest

from tests.contract.replicas.promises import ReplicasPromises

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(400)]


class TestKubernetesReplicas(ReplicasPromises):
    """The promises of the port, kept by pods of two Deployments."""
