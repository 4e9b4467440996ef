"""The side effects of putting replicas back, one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from unioneyes.operations.rollback.rules import Back, NoWay, back_from_roll
from unioneyes.ports.replicas import Replicas, Rolled
from unioneyes.ports.traffic import Colour, Traffic, Weights
from unioneyes.runbook.plan import Effect
from unioneyes.runbook.steps import step, story
from unioneyes.runbook.views import EntryKind

CHANGES_WHO_SERVES = ("roll_replicas", "shift_traffic")
"""The steps by which a deployment gives its version to members."""
DEPLOYMENTS = "deployment-"
"""With which the names of their runs begin."""
READY_WITHIN = timedelta(seconds=60)
ROLL_WITHIN = timedelta(hours=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the replicas go back to."""

    back: Back | None
    why_not: str = ""
    """Why there is nothing to go back to."""
    remedy: str = ""


@step(effect=Effect.READ)
def find_way_back(traffic: Traffic, replicas: Replicas, *, colour: Colour, serving: str, to: int | None, deployment: str | None) -> Found:
    """What the replicas go back to is known, as it stands now that nobody else changes it."""
    if traffic.view().weights != Weights.all_to(colour):
        return Found(back=None, why_not=f"members are not all sent to {colour} any more, as they were when this was planned", remedy="ue rollback plan")
    began = None
    if deployment is not None and deployment.startswith(DEPLOYMENTS):  # whatever else was interrupted brought nothing
        began = any(entry.step in CHANGES_WHO_SERVES and entry.kind is EntryKind.STEP_STARTED for entry in story(deployment))
    match back_from_roll(replicas.revisions(), replicas.rolling(colour), serving, to=to, began=began):
        case NoWay(why=why, remedy=remedy):
            return Found(back=None, why_not=why, remedy=remedy)
        case back:
            return Found(back=back)


@step(effect=Effect.CHANGE, time_limit=ROLL_WITHIN)
def roll_back_replicas(replicas: Replicas, *, colour: Colour, version: str, configuration: dict[str, str]) -> Rolled:
    """Every replica runs the earlier version, with its own settings: each was ready before one of the bad version got no requests any more.

    Source: Rollback Steps, option B, "kubectl rollout undo".
    """
    rolled = replicas.roll(colour, version=version, configuration=configuration, within=READY_WITHIN, back=True)
    replicas.mark_served(colour, after_rollback=True)
    return rolled
