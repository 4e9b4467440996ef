"""Which way back is open: pure."""

from __future__ import annotations

from dataclasses import dataclass

from unioneyes.ports.replicas import Replica
from unioneyes.ports.traffic import Colour


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


def way_back(live: Colour | None, replicas: tuple[Replica, ...]) -> WayBack | NoWay:
    """Return where the members can go back to: the other colour, if it is ready and has served them before. A release that was only tried is no way back."""
    if live is None:
        return NoWay(why="nothing serves, so there is nothing to go back from", remedy="ue release list, then ue deploy start with the version that was good")
    there = [replica for replica in replicas if replica.colour is live.other]
    ready = tuple(replica for replica in there if replica.ready)
    if not ready:
        why = f"{live.other} has no ready replica; the previous release is kept warm until a deployment's watch ends"
        return NoWay(why=why, remedy="ue release list, then ue deploy start with the version that was good")
    if not all(replica.served for replica in ready):
        why = f"{ready[0].version} on {live.other} has never served members: nothing was switched yet, and {live} still serves"
        return NoWay(why=why, remedy="ue deploy status; to stop the deployment: ue run cancel RUN, or ue run resume RUN --undo where it is parked")
    return WayBack(colour=live.other, version=ready[0].version, replicas=ready)
