"""The side effects of starting an earlier revision again."""

from __future__ import annotations

from datetime import timedelta

from unioneyes.kernel.problems import Problem, Refused
from unioneyes.operations.rollback.rules import failures
from unioneyes.ports.replicas import Replicas, ReplicasReady
from unioneyes.ports.service import Service, SmokeReport
from unioneyes.ports.traffic import Colour, Traffic
from unioneyes.runbook.plan import Effect
from unioneyes.runbook.steps import step

READY_WITHIN = timedelta(seconds=60)
SMOKE_WITHIN = timedelta(seconds=60)


class ColourTaken(Refused):
    """Members reach the colour on which the earlier revision was to stand; nothing was changed."""


class PreviousReleaseUnfit(Problem):
    """The earlier revision does not work any more; no member was sent there."""


@step(effect=Effect.READ)
def check_colour(traffic: Traffic, *, colour: Colour) -> None:
    """No member is sent to the colour on which the earlier revision will stand."""
    if traffic.view().weights.of(colour):
        raise ColourTaken(what=f"members are sent to {colour}; nothing was changed", remedy="ue deploy status, then start the rollback anew")


@step(effect=Effect.CHANGE, time_limit=timedelta(minutes=5))
def stop_previous(replicas: Replicas, *, colour: Colour, version: str, count: int, configuration: dict[str, str]) -> None:
    """The colour runs nothing; members are served as before."""
    del version, count, configuration
    replicas.stop(colour)


@step(effect=Effect.CHANGE, undo=stop_previous, time_limit=timedelta(minutes=5))
def start_previous(replicas: Replicas, *, colour: Colour, version: str, count: int, configuration: dict[str, str]) -> ReplicasReady:
    """The earlier revision stands on the idle colour with its own configuration, every replica ready.

    Source: Rollback Steps, option B, "kubectl rollout undo".
    """
    return replicas.start(colour, version=version, count=count, within=READY_WITHIN, configuration=configuration)


@step(effect=Effect.READ, time_limit=timedelta(minutes=5))
def smoke_previous(service: Service, *, colour: Colour, version: str) -> SmokeReport:
    """The earlier revision passes its smoke tests on the present schema, through the preview route, before any member is sent there."""
    report = service.smoke(via=colour, within=SMOKE_WITHIN)
    if not report.passed:
        raise PreviousReleaseUnfit(
            what=f"{version} fails its smoke tests on the present schema and data: {failures(report)}", remedy="members stay where they are; ue rollback plan"
        )
    if report.version != version:
        raise PreviousReleaseUnfit(what=f"{colour} answers as {report.version}, not as {version}", remedy="ue env status shows what runs there")
    return report
