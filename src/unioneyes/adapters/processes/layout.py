"""Which replica stands where: what a colour should run, as it is kept, and the places that follow from it. Pure.

While one version takes the place of another, replica by replica, there is one place more than there are replicas: so many as are wanted are ready all the time.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel

from unioneyes.adapters.processes.spec import LONGEST_SOCKET_PATH, ProcessStatus
from unioneyes.kernel.problems import BadInput
from unioneyes.ports.traffic import Colour

COLOUR, VERSION, SETTINGS = "colour", "version", "settings"
"""Labels that make a process a replica, and tell which."""
_DIGITS = 12
"""Of the settings' digest that are kept as a label: enough to tell two configurations apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaSlot:
    """The place of one replica."""

    name: str
    """`blue-1`."""
    colour: Colour
    version: str
    socket: Path
    """Where it answers."""
    configuration: Mapping[str, str] = field(default_factory=dict)
    """Settings that its release was started with."""

    @property
    def labels(self) -> dict[str, str]:
        """By which its process is known again."""
        settings = hashlib.sha256(json.dumps(dict(self.configuration), sort_keys=True).encode()).hexdigest()[:_DIGITS]
        return {COLOUR: self.colour.value, VERSION: self.version, SETTINGS: settings}

    def is_taken_by(self, status: ProcessStatus) -> bool:
        """Whether the process runs this place's version with its settings."""
        return status.name == self.name and {**status.labels, **self.labels} == {**status.labels}


class Wanted(BaseModel):
    """What a colour should run."""

    version: str
    count: int
    served: bool = False
    placed: datetime | None = None
    configuration: dict[str, str] | None = None
    """None in a file of an earlier version of this program: then what the environment says now."""
    before: Wanted | None = None
    """What it takes the place of, replica by replica; None where nothing is under way."""
    new: int | None = None
    """How many of its replicas should stand by now beside what it takes the place of; None for all, and nothing else any more."""
    back: bool = False
    """True where the replicas go back to what served before."""

    @property
    def at_rest(self) -> Wanted:
        """The same, with nothing under way."""
        return self.model_copy(update={"before": None, "new": None, "back": False})

    def runs(self, other: Wanted) -> bool:
        """Whether both are the same version with the same settings."""
        return (self.version, self.configuration) == (other.version, other.configuration)


def rolled(current: Wanted, target: Wanted, *, new: int | None, back: bool) -> Wanted:
    """Return what the colour should run once `new` replicas of `target` stand (all of them where not said), one after the other in the place of `current`.

    What served before and comes back has served, and stands since when it was put there. Nothing is under way where `target` stands already.
    """
    how = {"new": None if new is None else min(new, current.count), "back": back}
    if current.runs(target):
        return current if current.before is None else current.model_copy(update=how)
    before = current.before
    kept = before if before is not None and before.runs(target) else target
    return kept.model_copy(update={**how, "count": current.count, "before": current.at_rest})


def places(colour: Colour, wanted: Wanted, *, folder: Path, otherwise: Mapping[str, str]) -> tuple[ReplicaSlot, ...]:
    """Return the places of the replicas that should stand, by their numbers; `otherwise` is the configuration where none was kept. Raises: BadInput."""
    if wanted.count < 1:
        raise BadInput(what=f"{wanted.count} replicas are none", remedy="start at least one, or stop the colour")
    ahead = wanted.count + 1 if wanted.before is None or wanted.new is None else wanted.new
    runs = {number: wanted if number < ahead or wanted.before is None else wanted.before for number in range(1, wanted.count + 1)}
    own = tuple(_slot(colour, number, each, folder, otherwise) for number, each in runs.items())
    return own if ahead > wanted.count else (*own, spare(colour, wanted, folder, otherwise))


def spare(colour: Colour, wanted: Wanted, folder: Path, otherwise: Mapping[str, str]) -> ReplicaSlot:
    """Return the place behind the others, whose replica stands in for the one that is being replaced."""
    return _slot(colour, wanted.count + 1, wanted, folder, otherwise)


def _slot(colour: Colour, number: int, wanted: Wanted, folder: Path, otherwise: Mapping[str, str]) -> ReplicaSlot:
    configuration = otherwise if wanted.configuration is None else wanted.configuration
    name = f"{colour}-{number}"
    socket = folder / f"{name}.sock"
    if len(os.fsencode(socket)) > LONGEST_SOCKET_PATH:
        raise BadInput(what=f"{folder} is too long for Unix sockets ({LONGEST_SOCKET_PATH} bytes)", remedy="choose a shorter folder")
    return ReplicaSlot(name=name, colour=colour, version=wanted.version, socket=socket, configuration=configuration)
