"""The only side effects of limiting and keeping out."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

from unioneyes.operations.security.model import EdgeChanged
from unioneyes.ports.edge import Edge, EdgeView, Network, RateLimit
from unioneyes.runbook.plan import Effect
from unioneyes.runbook.steps import step

LONGEST_CHANGE = timedelta(minutes=2)
"""A change takes less than a second; others may have to be waited for, and what is not confirmed is put back."""


@step(effect=Effect.CHANGE, time_limit=LONGEST_CHANGE)
def limit_as_before(edge: Edge, *, wanted: RateLimit | None, before: RateLimit | None) -> None:
    """Each client's address may make as many requests as before."""
    del wanted
    edge.limit(before)


@step(effect=Effect.CHANGE, undo=limit_as_before, time_limit=LONGEST_CHANGE)
def limit_requests(edge: Edge, *, wanted: RateLimit | None, before: RateLimit | None) -> EdgeChanged:
    """Each client's address may make so many requests, and is answered with 429 for more; the data plane and a real request say so.

    Source: Security Incidents, "DDoS Attack".
    """
    del before
    return _timed(lambda: edge.limit(wanted))


@step(effect=Effect.CHANGE, time_limit=LONGEST_CHANGE)
def list_as_before(edge: Edge, *, wanted: tuple[Network, ...], before: tuple[Network, ...]) -> None:
    """Those are kept out that were before."""
    del wanted
    edge.deny(before)


@step(effect=Effect.CHANGE, undo=list_as_before, time_limit=LONGEST_CHANGE)
def keep_out(edge: Edge, *, wanted: tuple[Network, ...], before: tuple[Network, ...]) -> EdgeChanged:
    """Requests from these networks, and from no other, are answered with 403; the data plane says so, and a real request that we are not among them.

    Source: Security Incidents, "Block attacker IP".
    """
    del before
    return _timed(lambda: edge.deny(wanted))


def _timed(change: Callable[[], EdgeView]) -> EdgeChanged:
    began = time.monotonic()
    return EdgeChanged(now=change(), took=timedelta(seconds=time.monotonic() - began))
