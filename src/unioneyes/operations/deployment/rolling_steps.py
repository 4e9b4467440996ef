"""The side effects of a deployment that only a rolling one has."""

from __future__ import annotations

from datetime import timedelta

from unioneyes.kernel.clock import now
from unioneyes.operations.deployment.model import ALL, Switched
from unioneyes.operations.deployment.readings import failing
from unioneyes.operations.deployment.shares import new_replicas
from unioneyes.operations.deployment.steps import require_release
from unioneyes.ports.releases import Releases
from unioneyes.ports.replicas import Replicas, ReplicasReady
from unioneyes.ports.traffic import Colour, Traffic
from unioneyes.runbook.plan import Effect
from unioneyes.runbook.steps import step

ROLL_WITHIN = timedelta(hours=2)
"""A hundred replicas, a minute each."""


@step(effect=Effect.CHANGE, time_limit=timedelta(minutes=5))
def end_trial(replicas: Replicas, *, colour: Colour) -> None:
    """The replica on which the new version was tried has ended."""
    replicas.stop(colour)


@step(effect=Effect.CHANGE, time_limit=ROLL_WITHIN)
def put_replicas_back(
    replicas: Replicas,
    releases: Releases,
    traffic: Traffic,
    *,
    colour: Colour,
    version: str,
    digest: str,
    configuration: dict[str, str],
    share: int,
    count: int,
    within: timedelta,
    previous: str,
    way_back: dict[str, str],
) -> None:
    """Every replica runs the version that served before, with its own settings."""
    del releases, traffic, version, digest, configuration, share, count
    replicas.roll(colour, version=previous, configuration=way_back, within=within, back=True)
    replicas.mark_served(colour, after_rollback=True)


@step(effect=Effect.CHANGE, undo=put_replicas_back, time_limit=ROLL_WITHIN)
def roll_replicas(
    replicas: Replicas,
    releases: Releases,
    traffic: Traffic,
    *,
    colour: Colour,
    version: str,
    digest: str,
    configuration: dict[str, str],
    share: int,
    count: int,
    within: timedelta,
    previous: str,
    way_back: dict[str, str],
) -> Switched:
    """Replicas of the new version stand ready in the place of old ones, one put there after the other: all of them, or as many as get the share of the plan.

    It is the release, and they are the settings, that were planned. Raises: ReleaseChanged. Source: Production Deployment Steps, 3, "Monitor rollout".
    """
    del way_back
    require_release(releases, version, digest)
    old = {replica.name for replica in replicas.all() if replica.colour is colour and replica.version == previous}
    failed = failing(outcome for outcome in replicas.outcomes(colour) if outcome.replica in old)
    new = None if share == ALL else new_replicas(share, count)
    rolled = replicas.roll(colour, version=version, new=new, configuration=configuration, within=within)
    require_release(releases, version, digest)  # what they loaded meanwhile is what was there on both sides
    if new is None:
        replicas.mark_served(colour)
    return Switched(at=now(), took=rolled.took, before=traffic.counters(), share=share, revision=traffic.view().revision, failing=failed)


@step(effect=Effect.CHANGE, time_limit=timedelta(minutes=5))
def start_witness(replicas: Replicas, *, colour: Colour, version: str, configuration: dict[str, str], within: timedelta) -> ReplicasReady:
    """One replica of the version that served before runs where no member is sent: what harms it too is not the new version's fault."""
    return replicas.start(colour, version=version, count=1, within=within, configuration=configuration)


@step(effect=Effect.CHANGE, time_limit=timedelta(minutes=5))
def end_witness(replicas: Replicas, *, colour: Colour) -> None:
    """The version that served before runs nowhere any more."""
    replicas.stop(colour)
