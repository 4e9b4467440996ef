"""The shares of a canary, and how long each is watched: pure."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

from unioneyes.kernel.problems import BadInput
from unioneyes.kernel.units import format_duration
from unioneyes.operations.deployment.model import ALL, DeployRequest, Strategy
from unioneyes.operations.deployment.steps import LONGEST_BAKE

CANARY_PART = 4
"""The part of the whole watch for which each share of a canary is watched, where nothing else is asked for: a quarter."""
LEAST_SHARE = 1


def require_bake(flag: str, bake: timedelta) -> None:
    """Return when somebody watches for so long. Raises: BadInput."""
    if not timedelta(0) <= bake <= LONGEST_BAKE:
        raise BadInput(what=f"nobody watches for {format_duration(bake)}", remedy=f"{flag} from 0s to {format_duration(LONGEST_BAKE)}")


def canary_bake_of(request: DeployRequest, bake: timedelta, previous: str | None) -> timedelta:
    """Return how long each share of the canary is watched; nothing without one. Raises: BadInput where the canary makes no sense."""
    shares = request.canary
    if request.strategy is Strategy.ROLLING and previous is None:
        raise BadInput(what="the first release has no replicas whose place it could take", remedy="leave out --strategy rolling")
    if not shares and request.strategy is not Strategy.ROLLING:
        for flag, given in (("--hold", request.hold), ("--canary-bake", request.canary_bake is not None)):
            if given:
                raise BadInput(what=f"{flag} is about the shares of a canary, and none is asked for", remedy=f"add --canary 10,50, or leave out {flag}")
        return timedelta(0)
    if previous is None:
        raise BadInput(what="the first release has nothing beside which it could get a share", remedy="leave out --canary")
    if not all(LEAST_SHARE <= share < ALL for share in shares) or any(later <= earlier for earlier, later in pairwise(shares)):
        raise BadInput(
            what=f"{', '.join(map(str, shares))} are no shares of a canary", remedy="name rising shares from 1 to 99, such as --canary 10,50; all follows"
        )
    canary_bake = request.canary_bake if request.canary_bake is not None else bake / CANARY_PART
    require_bake("--canary-bake", canary_bake)
    return canary_bake


def shares_of(request: DeployRequest, count: int) -> tuple[int, ...]:
    """Return the shares of the members that the new release gets before it gets all.

    Rolling: what some of `count` replicas get, as near as can be to what was asked for; one where nothing was.
    """
    if request.strategy is not Strategy.ROLLING:
        return request.canary
    parts = {new_replicas(share, count) for share in request.canary} or {1}
    return tuple(max(LEAST_SHARE, round(ALL * part / (count + 1))) for part in sorted(parts))


def new_replicas(share: int, count: int) -> int:
    """Return how many of `count` replicas, beside which one more stands meanwhile, get that share of the members."""
    return max(1, min(count, round(share * (count + 1) / ALL)))


def manner(request: DeployRequest) -> str:
    """Return how the new release takes the place of the old one, in the words of a summary."""
    held = ", held after each share" if request.hold else ""
    if not request.canary:
        return f"{request.strategy.value}{held}"
    shares = f"canary {', '.join(f'{share} %' for share in request.canary)}{held}"
    return f"rolling, {shares}" if request.strategy is Strategy.ROLLING else shares
