"""Pods that take the place of others: the port's promises, and what only a cluster does."""

from __future__ import annotations

import pytest

from tests.contract.replicas.promises import BLUE, PATIENCE
from tests.contract.replicas.rolling import NEW, OLD, RollPromises, serving, versions
from tests.kubernetes.adapters.replicas.conftest import MISSING, Service
from unioneyes.adapters.kubernetes.replicas import ChangedByHand
from unioneyes.kernel.fencing import FencedOff, fencing_token
from unioneyes.ports.replicas import NoReadyReplica

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(400)]


class TestKubernetesRolls(RollPromises):
    """The promises of a roll, kept by a Deployment."""


def test_a_roll_that_hangs_says_why_and_nobody_ended_for_it(service: Service) -> None:
    serving(service)
    before = service.running(BLUE)
    with pytest.raises(NoReadyReplica, match="Image"):
        service.replicas.roll(BLUE, version=MISSING, within=PATIENCE)
    assert before < service.running(BLUE)
    service.replicas.roll(BLUE, version=OLD, within=PATIENCE, back=True)
    assert service.running(BLUE) == before


def test_a_part_stands_still_also_where_whoever_ordered_it_is_gone(service: Service) -> None:
    """Nothing has to be told to wait: the Deployment itself goes no further."""
    serving(service)
    service.replicas.roll(BLUE, version=NEW, new=1, within=PATIENCE)
    there = service.type("get", "deployment", "unioneyes-web-blue", "--output=jsonpath={.spec.minReadySeconds} {.spec.strategy.rollingUpdate.maxUnavailable}")
    assert there.split() == ["604800", "0"]
    service.replicas.roll(BLUE, version=NEW, within=PATIENCE)
    service.replicas.mark_served(BLUE)
    assert service.type("get", "deployment", "unioneyes-web-blue", "--output=jsonpath={.spec.minReadySeconds}") == ""


def test_who_was_at_it_before_is_late_once_another_rolls_back(service: Service) -> None:
    serving(service)
    before = fencing_token.set(1)
    try:
        service.replicas.roll(BLUE, version=NEW, new=1, within=PATIENCE)
        newer = fencing_token.set(2)
        service.replicas.roll(BLUE, version=OLD, within=PATIENCE, back=True)
        fencing_token.reset(newer)
        with pytest.raises(FencedOff):
            service.replicas.roll(BLUE, version=NEW, within=PATIENCE)
    finally:
        fencing_token.reset(before)
    assert versions(service) == [OLD, OLD]


def test_what_somebody_changed_by_hand_is_not_rolled_over(service: Service) -> None:
    serving(service)
    service.type("set", "image", "deployment/unioneyes-web-blue", "web=elsewhere.invalid/other")
    with pytest.raises(ChangedByHand):
        service.replicas.roll(BLUE, version=NEW, within=PATIENCE)


def test_what_a_person_would_type_does_the_same(service: Service) -> None:
    serving(service)
    configmap, patch, status = service.replicas.describe_roll(BLUE, version=NEW)
    assert "create configmap" in configmap
    assert '"maxUnavailable": 0' in patch
    assert "rollout status" in status
