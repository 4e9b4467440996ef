"""Which way back is open: pure."""

from __future__ import annotations

from dataclasses import dataclass

from unioneyes.ports.replicas import Replica, incumbent
from unioneyes.ports.traffic import Colour, Weights


@dataclass(frozen=True, slots=True, kw_only=True)
class WayBack:
    """The colour that served before, warm."""

    colour: Colour
    version: str
    replicas: tuple[Replica, ...]
    """Those that are ready."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoWay:
    """Why there is none."""

    why: str
    remedy: str


def way_back(weights: Weights, replicas: tuple[Replica, ...]) -> WayBack | NoWay:
    """Return where the members can go back to, if it is ready: while requests are split, where they come from; else the other colour, if it has served them.

    A release that was only tried is no way back.
    """
    used_to = incumbent(weights, replicas)
    if used_to is None:
        return NoWay(why="nothing serves, so there is nothing to go back from", remedy="ue release list, then ue deploy start with the version that was good")
    back_to = used_to if weights.split else used_to.other
    ready = tuple(replica for replica in replicas if replica.colour is back_to and replica.ready)
    if not ready:
        why = f"{back_to} has no ready replica; the previous release is kept warm until a deployment's watch ends"
        return NoWay(why=why, remedy="ue release list, then ue deploy start with the version that was good")
    if not weights.split and not all(replica.served for replica in ready):
        why = f"{ready[0].version} on {back_to} has never served members: nothing was switched yet, and {used_to} still serves"
        return NoWay(why=why, remedy="ue deploy status; to stop the deployment: ue run cancel RUN, or ue run resume RUN --undo where it is parked")
    return WayBack(colour=back_to, version=ready[0].version, replicas=ready)
