"""What does not answer at the moment, in the words of the port that was asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from unioneyes.kernel.problems import Unavailable
from unioneyes.ports.edge import EdgeRejected, EdgeUnavailable
from unioneyes.ports.traffic import RoutesRejected, TrafficUnavailable


@contextmanager
def for_traffic() -> Iterator[None]:
    """What does not answer is the traffic's way; everything else is named as it is."""
    try:
        yield
    except TrafficUnavailable:
        raise
    except Unavailable as problem:
        raise TrafficUnavailable(what=problem.what, remedy=problem.remedy) from problem


@contextmanager
def for_edge() -> Iterator[None]:
    """What does not answer, and what was refused, is the edge's."""
    try:
        yield
    except EdgeUnavailable:
        raise
    except RoutesRejected as problem:
        raise EdgeRejected(what=problem.what, remedy=problem.remedy) from problem
    except Unavailable as problem:
        raise EdgeUnavailable(what=problem.what, remedy=problem.remedy) from problem
