"""The only side effects of restarting and scaling."""

from __future__ import annotations

from datetime import timedelta

from unioneyes.kernel.clock import Deadline, now
from unioneyes.kernel.problems import Problem, Unavailable
from unioneyes.operations.app.model import RestartOrdered
from unioneyes.ports.pods import Pods, PodsRestarted, Resized, Size
from unioneyes.ports.service import HealthStatus, Service
from unioneyes.ports.traffic import Colour
from unioneyes.runbook.plan import Effect
from unioneyes.runbook.steps import pause, progress, step

HEALTHY_WITHIN = timedelta(seconds=60)
LONGEST_RESTART = timedelta(hours=1)
"""Of all pods of a colour together: one after another, each with its drain."""
LONGEST_RESIZE = timedelta(minutes=15)


class NotHealthy(Problem):
    """The service answers, and is not well."""


@step(effect=Effect.READ)
def note_order() -> RestartOrdered:
    """Whatever was started from here on was restarted."""
    return RestartOrdered(at=now())


@step(effect=Effect.CHANGE, time_limit=LONGEST_RESIZE)
def as_many_as_before(pods: Pods, *, colour: Colour, size: Size, ordered: RestartOrdered, within: timedelta) -> None:
    """As many pods run as should; those that were restarted stay so."""
    del ordered
    pods.resize(colour, size, within=within)


@step(effect=Effect.CHANGE, undo=as_many_as_before, time_limit=LONGEST_RESTART)
def restart_pods(pods: Pods, *, colour: Colour, size: Size, ordered: RestartOrdered, within: timedelta) -> PodsRestarted:
    """Each pod was started anew, one by one, ready before the next one ended; no request is lost.

    Source: Emergency Commands, "Restart all pods (rolling)".
    """
    del size

    def told(line: str) -> None:
        pause(timedelta(0))
        progress(line)

    return pods.restart(colour, ordered=ordered.at, within=within, meanwhile=told)


@step(effect=Effect.CHANGE, time_limit=LONGEST_RESIZE)
def size_as_before(pods: Pods, *, colour: Colour, size: Size, before: Size, within: timedelta) -> None:
    """The colour has as many pods as before, and its autoscaler decides as before."""
    del size
    pods.resize(colour, before, within=within)


@step(effect=Effect.CHANGE, undo=size_as_before, time_limit=LONGEST_RESIZE)
def resize_pods(pods: Pods, *, colour: Colour, size: Size, before: Size, within: timedelta) -> Resized:
    """The colour has so many pods, each ready; those that went had finished what they had.

    Source: Emergency Commands, "Scale up immediately".
    """
    del before
    return pods.resize(colour, size, within=within)


@step(effect=Effect.READ, time_limit=timedelta(minutes=2))
def check_health(service: Service, *, colour: Colour, version: str) -> None:
    """The colour says that it is well, through its preview route: also while members are kept out, or reach the other one."""
    give_up = Deadline.after(HEALTHY_WITHIN)
    while True:
        said = _health(service, colour, version)
        if said is None:
            return
        if give_up.passed:
            raise NotHealthy(
                what=f"{version} on {colour} is not well after its pods were changed: {said}", remedy="ue app status, ue app logs; ue rollback plan"
            )
        pause(timedelta(seconds=0.5))


def _health(service: Service, colour: Colour, version: str) -> str | None:
    """Return what is wrong; None when nothing is."""
    try:
        health = service.health(colour)
    except Unavailable as problem:
        return problem.what
    if health.version != version:
        return f"{health.version} answers"
    if health.status is HealthStatus.UNHEALTHY:
        return "; ".join(f"{check.name}: {check.error}" for check in health.checks if check.error) or "unhealthy"
    return None
