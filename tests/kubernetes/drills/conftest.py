"""What drills on a real Kubernetes share: `ue env up --env cluster-test`, as a person starts it, in a namespace that is gone afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from tests.drills.main_job.main_job import MainJob
from tests.kubernetes.cluster.lent import Lent
from tests.stack import DRILL_SETTINGS, empty_stack
from unioneyes.environments import CLUSTER_TEST
from unioneyes.environments.local.rehearsal_cluster import namespace_of

STARTED_WITHIN = timedelta(minutes=5)


@pytest.fixture(scope="module")
def job(lent: Lent) -> Iterator[MainJob]:
    """An environment whose service runs on the cluster; nothing is deployed yet."""
    assert lent.own, "these drills start databases that pods reach: make test-kubernetes without KUBECONFIG"
    with empty_stack(settings=DRILL_SETTINGS, env=CLUSTER_TEST) as stack:
        try:
            started = stack.start(within=STARTED_WITHIN.total_seconds())
            assert started.code == 0, started.err
            yield MainJob(stack=stack)
        finally:
            lent.kubectl("delete", "namespace", namespace_of(stack.home), "--ignore-not-found", within=180)
