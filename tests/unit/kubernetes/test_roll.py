"""What a Deployment is told so that some pods take the place of others, and what is read back of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Pod
from pydantic import JsonValue

from tests.kubernetes.adapters.colours import APP
from tests.kubernetes.adapters.replicas.stand_in import deployment
from unioneyes.adapters.kubernetes.release import VERSION_LABEL, Standing, rolled, said, standing, strategy
from unioneyes.adapters.kubernetes.rollout import Hopeless, Ready, Waiting, judge
from unioneyes.ports.traffic import Colour

AT = datetime(2026, 2, 9, 14, 30, tzinfo=UTC)
OLD = Standing(version="1.0.0", image="registry/web@sha256:0", settings=f"{APP}-0000000000", count=2, placed=AT, served=True)
NEW = Standing(version="1.1.0", image="registry/web@sha256:1", settings=f"{APP}-1111111111", count=2, placed=AT + timedelta(hours=1))


def told(wanted: Standing) -> Deployment:
    """Return a Deployment that was told to run `wanted`, and whose controller has looked."""
    there = deployment("test", Colour.BLUE)
    says = said(_deployment(there), wanted, container="web", run=wanted.count, family=APP)
    metadata, spec = there["metadata"], there["spec"]
    assert isinstance(metadata, dict)
    assert isinstance(spec, dict)
    return _deployment({**there, "metadata": {**metadata, **_part(says, "metadata")}, "spec": {**spec, **_part(says, "spec")}})


def pod(of: Standing, name: str, *, ready: bool = True, room: bool = True) -> Pod:
    conditions: list[JsonValue] = [{"type": "Ready", "status": str(ready)}]
    if not room:
        since = (AT - timedelta(minutes=1)).isoformat()
        conditions.append({"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "Insufficient cpu", "lastTransitionTime": since})
    container: JsonValue = {"name": "web", "image": of.image, "envFrom": [{"configMapRef": {"name": of.settings}}]}
    found = Pod.from_dict(
        {
            "metadata": {"name": name, "labels": {VERSION_LABEL: of.version}},
            "spec": {"containers": [container]},
            "status": {"phase": "Running", "conditions": conditions},
        }
    )
    assert isinstance(found, Pod)
    return found


def judged(wanted: Standing, *pods: Pod) -> Ready | Waiting | Hopeless:
    return judge(pods, told(wanted), wanted, container="web", run=wanted.count, at=AT)


@pytest.mark.parametrize("new", [1, 2, None])
def test_what_is_said_of_a_roll_is_read_back(new: int | None) -> None:
    wanted = rolled(OLD, NEW, new=new, back=False)
    assert standing(told(wanted)) == wanted
    assert wanted.before == OLD


@pytest.mark.parametrize("new", [1, 2, None])
def test_going_back_from_anywhere_is_what_was_there_before(new: int | None) -> None:
    back = rolled(rolled(OLD, NEW, new=new, back=False), replace(OLD, placed=AT + timedelta(hours=2), served=False), new=None, back=True)
    assert back.at_rest == OLD
    assert back.back


def test_what_stands_already_is_not_begun_anew() -> None:
    assert rolled(OLD, OLD, new=None, back=True) == OLD
    assert strategy(OLD) == {}


def test_no_pod_ends_before_another_is_ready_and_a_part_goes_no_further_by_itself() -> None:
    part, whole = strategy(rolled(OLD, NEW, new=1, back=False)), strategy(rolled(OLD, NEW, new=None, back=False))
    assert part["strategy"] == whole["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    assert int(str(part["progressDeadlineSeconds"])) > int(str(part["minReadySeconds"])) > timedelta(days=1).total_seconds()
    assert "minReadySeconds" not in whole


def test_a_part_is_there_when_its_pods_are_ready_beside_all_the_others() -> None:
    part = rolled(OLD, NEW, new=1, back=False)
    others = (pod(OLD, "a"), pod(OLD, "b"))
    assert isinstance(judged(part, *others), Waiting)
    assert isinstance(judged(part, *others, pod(NEW, "c", ready=False)), Waiting)
    assert judged(part, *others, pod(NEW, "c")) == Ready(count=1)


def test_the_whole_is_there_when_nothing_of_the_others_is_left() -> None:
    whole = rolled(OLD, NEW, new=None, back=False)
    assert isinstance(judged(whole, pod(OLD, "a"), pod(NEW, "b"), pod(NEW, "c")), Waiting)
    assert judged(whole, pod(NEW, "b"), pod(NEW, "c")) == Ready(count=2)


def test_in_a_roll_nothing_makes_room_so_a_pod_without_any_waits_in_vain() -> None:
    found = judged(rolled(OLD, NEW, new=None, back=False), pod(OLD, "a"), pod(OLD, "b"), pod(NEW, "c", ready=False, room=False))
    assert isinstance(found, Hopeless)
    assert "Insufficient cpu" in found.why


def _deployment(document: Mapping[str, JsonValue]) -> Deployment:
    found = Deployment.from_dict(dict(document))
    assert isinstance(found, Deployment)
    return found


def _part(says: Mapping[str, JsonValue], name: str) -> dict[str, JsonValue]:
    part = says[name]
    assert isinstance(part, dict)
    return part
