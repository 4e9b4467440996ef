"""Which colour is meant, and how many pods it gets. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from unioneyes.kernel.problems import BadInput, Refused
from unioneyes.operations.app.model import ScaleRequest
from unioneyes.ports.environment import Environment
from unioneyes.ports.pods import Autoscaler, Bounds, NoSuchAutoscaler, Size
from unioneyes.ports.replicas import Replica
from unioneyes.ports.traffic import Colour, Weights

MOST_PODS = 1_000
"""Above which a number is a slip of the hand. Source: the document scales to 20 at most."""


class NothingServes(Refused):
    """No pod serves members, so there is none to restart and none to have more of."""


class NoNumber(BadInput):
    """It was not said how many pods there should be."""


def chosen_colour(weights: Weights, replicas: Iterable[Replica], asked: Colour | None) -> tuple[Colour, str]:
    """Return the colour that is meant, the one that serves when none was asked for, and its version. Raises: NothingServes."""
    colour = weights.live if asked is None else asked
    version = next((replica.version for replica in replicas if replica.colour is colour), None)
    if colour is None or version is None:
        where = "nothing is deployed" if colour is None else f"nothing runs on {colour}"
        raise NothingServes(what=f"{where}; nothing was changed", remedy="ue app status shows what runs where; ue deploy start VERSION deploys")
    return colour, version


def wanted_size(before: Size, request: ScaleRequest) -> Size:
    """Return the size that is asked for. An autoscaler is held at the number, and remembers its own bounds. Raises: NoNumber, NoSuchAutoscaler."""
    if request.auto == (request.count is not None):
        raise NoNumber(what="name a number of pods, or --auto", remedy="ue app scale 4, or ue app scale --auto")
    if request.count is None:
        return _given_back(before)
    if not 1 <= request.count <= MOST_PODS:
        raise NoNumber(
            what=f"{request.count} pods are not what anybody wants: from 1 to {MOST_PODS:,}",
            remedy="to keep members out, deploy with --maintenance: they are told to come back; with no pod they see errors",
        )
    held = None if before.autoscaler is None else _held(before.autoscaler, request.count)
    return Size(count=request.count, autoscaler=held)


def _held(autoscaler: Autoscaler, count: int) -> Autoscaler:
    return replace(autoscaler, bounds=Bounds(least=count, most=count), own=autoscaler.own or autoscaler.bounds)


def _given_back(before: Size) -> Size:
    if before.autoscaler is None:
        raise NoSuchAutoscaler(what="nothing scales the service by itself here", remedy="name a number: ue app scale N")
    own = before.autoscaler.own or before.autoscaler.bounds
    return Size(count=min(max(before.count, own.least), own.most), autoscaler=replace(before.autoscaler, bounds=own, own=None))


def health_command(env: Environment, colour: Colour) -> str:
    """Return what a person types to see whether a colour is well."""
    return f"curl --header 'x-preview: {colour}' {env.service.url(colour)}/api/health"


def spoken(size: Size) -> str:
    """Return a size as people say it: `4 pods, autoscaler web held (its own: 2 to 10)`."""
    pods = "1 pod" if size.count == 1 else f"{size.count} pods"
    if size.autoscaler is None:
        return pods
    own = size.autoscaler.own
    how = f"chooses {size.autoscaler.bounds}" if own is None else f"is held (its own: {own})"
    return f"{pods}, autoscaler {size.autoscaler.name} {how}"
