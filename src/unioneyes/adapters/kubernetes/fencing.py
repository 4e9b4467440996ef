"""Writes that refuse whoever comes late: the object itself keeps the highest fencing token that came through (decision 26)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TypeVar

from lightkube.core.resource import NamespacedResourceG as Resource
from pydantic import JsonValue

from unioneyes.adapters.kubernetes.client import Cluster
from unioneyes.adapters.kubernetes.failures import ChangedMeanwhile
from unioneyes.adapters.kubernetes.watching import metadata
from unioneyes.kernel.cancelling import sleep
from unioneyes.kernel.fencing import advance, fencing_token
from unioneyes.kernel.problems import Unavailable

TOKEN = "unioneyes.app/fencing-token"  # noqa: S105 - an annotation's name
"""The annotation that holds it."""
WITHIN = timedelta(seconds=15)
"""For a write that others' writes get in the way of: the controllers write each object's status."""
_PAUSE = 0.05
"""Seconds before it is read again."""
_R = TypeVar("_R", bound=Resource)


def write(cluster: Cluster, kind: type[_R], name: str, say: Callable[[_R], Mapping[str, JsonValue]], *, within: timedelta = WITHIN) -> _R:
    """The object says what `say` returns of it as it was read: all that we ever set. Nothing is changed where it says so already, but for the token.

    Read, fence and write are one: the write names the resourceVersion that was read, and takes the fields from others whom `say` has seen there.
    Raises: what `say` raises; FencedOff; ObjectMissing and the others of `failures`, those that pass only where they last.
    """
    until = time.monotonic() + within.total_seconds()
    while True:
        there = cluster.get(kind, name)
        said, seen = say(there), metadata(there).resourceVersion
        try:
            return cluster.apply(kind, name, fenced(said, metadata(there).annotations or {}, f"{kind.__name__} {name}"), seen=seen, force=True)
        except Unavailable:  # it changed meanwhile; or nobody knows whether the write came through: that shows now
            if time.monotonic() > until:
                raise
            sleep(_PAUSE)


def ensure(cluster: Cluster, thing: _R, *, within: timedelta = WITHIN) -> None:
    """There is an object of this name: whoever made it, and whatever it says. Raises: the problems of `failures`."""
    until = time.monotonic() + within.total_seconds()
    while cluster.find(type(thing), metadata(thing).name or "") is None:
        try:
            cluster.create(thing)
        except ChangedMeanwhile:  # another one made it
            return
        except Unavailable:  # the same as above
            if time.monotonic() > until:
                raise
            sleep(_PAUSE)


def fenced(said: Mapping[str, JsonValue], annotations: Mapping[str, str], what: str) -> Mapping[str, JsonValue]:
    """Return `said` with the token that `what` keeps from now on; `annotations` are those that it has. Raises: FencedOff."""
    kept = annotations.get(TOKEN, "")
    seen = int(kept) if kept.isdigit() else 0
    token = fencing_token.get()
    highest = seen if token is None else advance(what, token=token, seen=seen)
    if not highest:
        return said
    of = said.get("metadata")
    known = of if isinstance(of, dict) else {}
    others = known.get("annotations")
    return {**said, "metadata": {**known, "annotations": {**(others if isinstance(others, dict) else {}), TOKEN: str(highest)}}}
