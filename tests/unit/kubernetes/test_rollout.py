from __future__ import annotations

import pytest
from lightkube.resources.core_v1 import Pod
from pydantic import JsonValue

from tests.unit.kubernetes.pods import NOW, WANTED, at, container, deployment, pod
from unioneyes.adapters.kubernetes.rollout import Hopeless, Ready, Waiting, ended, judge, node_lost, present


def judged(*pods: Pod, run: int = 1, failure: str | None = None, seen: int = 1) -> Ready | Waiting | Hopeless:
    return judge(pods, deployment(failure=failure, seen=seen), WANTED, container="web", run=run, at=NOW)


def test_so_many_ready_pods_of_the_release_and_no_others_are_ready() -> None:
    assert judged(pod("a", ready=True), pod("b", ready=True), run=2) == Ready(count=2)
    assert judged(pod("a", ready=True), run=2) == Waiting(on="1 of 2 pods are made")
    assert judged(pod("a", ready=True), pod("old", ready=True, version="1.0.0")) == Waiting(on="old has not ended yet")
    assert judged(pod("a", ready=True), pod("old", ready=True, image="registry/web@sha256:00")) == Waiting(on="old has not ended yet")
    assert judged(pod("a", ready=True), seen=0) == Waiting(on="the Deployment's controller has not looked yet")


def test_a_pod_that_is_not_ready_yet_is_waited_for() -> None:
    assert judged(pod(containerStatuses=container(running=True))) == Waiting(on="web-1 is running, and does not say that it is ready", pod="web-1")
    assert judged(pod(phase="Pending")) == Waiting(on="web-1 is Pending", pod="web-1")
    assert judged(pod(phase="Pending", containerStatuses=container(waiting=("ContainerCreating", "")))) == Waiting(on="web-1 is ContainerCreating", pod="web-1")


@pytest.mark.parametrize("reason", ["ImagePullBackOff", "InvalidImageName", "CreateContainerConfigError", "RunContainerError"])
def test_what_a_container_waits_for_in_vain_is_said_at_once(reason: str) -> None:
    found = judged(pod(phase="Pending", containerStatuses=container(waiting=(reason, "no such  thing"))))
    assert found == Hopeless(why=f"web-1: {reason}: no such thing")


def test_an_image_that_nobody_has_is_not_pulled_again_but_a_registry_that_is_away_is() -> None:
    assert isinstance(judged(pod(containerStatuses=container(waiting=("ErrImagePull", "registry/web@sha256:11: not found")))), Hopeless)
    assert isinstance(judged(pod(containerStatuses=container(waiting=("ErrImagePull", "dial tcp: i/o timeout")))), Waiting)


def test_one_crash_may_pass_and_the_second_one_is_told_with_its_last_words() -> None:
    assert isinstance(judged(pod(containerStatuses=container(restarts=1, ended=(1, "no such table"), running=True))), Waiting)
    found = judged(pod(containerStatuses=container(restarts=1, ended=(1, "a\nb\nc\nno such table"), waiting=("CrashLoopBackOff", "back-off"))))
    assert found == Hopeless(why="web-1 ended by itself 2 times, last with exit code 1: b / c / no such table")
    silent = judged(pod(containerStatuses=container(restarts=1, ended=(1, ""), waiting=("CrashLoopBackOff", "back-off"))))
    assert silent == Hopeless(why="web-1 ended by itself 2 times, last with exit code 1", pod="web-1"), "its log may say more"


def test_how_a_container_ended_by_itself_is_told_while_its_pod_is_not_told_to_end() -> None:
    assert ended(pod("a", containerStatuses=container(restarts=1, ended=(137, "killed"), running=True))) == "exit code 137: killed"
    assert ended(pod("a", containerStatuses=container(running=True))) is None


def test_a_pod_for_which_no_node_has_room_is_told_after_some_seconds_unless_room_is_being_made() -> None:
    def unscheduled(seconds: float) -> Pod:
        message = "0/1 nodes are available: 1 Insufficient cpu."
        no_room: JsonValue = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message, "lastTransitionTime": at(-seconds)}
        return pod(phase="Pending", conditions=[no_room])

    assert isinstance(judged(unscheduled(2)), Waiting)
    assert judged(unscheduled(30)) == Hopeless(why="no node takes web-1: 0/1 nodes are available: 1 Insufficient cpu.")
    assert isinstance(judged(unscheduled(30), pod("old", version="1.0.0", deleted=5)), Waiting)


def test_what_forbids_pods_is_told_at_once() -> None:
    found = judged(failure='pods "x" is forbidden: exceeded quota: small')
    assert found == Hopeless(why='the cluster makes no pod of unioneyes-web-blue: pods "x" is forbidden: exceeded quota: small')
    assert isinstance(judged(failure="Internal error occurred"), Waiting)


def test_a_pod_that_failed_or_that_a_dead_node_can_not_end_is_not_there() -> None:
    assert present([pod("a", phase="Failed"), pod("b", phase="Succeeded"), pod("c", deleted=-60)], NOW) == ()
    assert len(present([pod("a", deleted=5), pod("b", deleted=-5)], NOW)) == 2


@pytest.mark.parametrize(
    ("ready", "containers", "lost"), [("False", "True", True), ("False", "False", False), ("True", "True", False)], ids=["node", "probe", "well"]
)
def test_a_pod_that_is_not_ready_though_its_containers_are_stands_on_a_node_that_is_silent(*, ready: str, containers: str, lost: bool) -> None:
    said: list[JsonValue] = [{"type": "Ready", "status": ready}, {"type": "ContainersReady", "status": containers}]
    assert node_lost(pod(conditions=said)) is lost
    assert ("which does not answer" in str(judged(pod(conditions=said)))) is lost
