"""What is there, kept up with by what the API server says has changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from lightkube.core.resource import NamespacedResourceG as Resource
from lightkube.models.meta_v1 import ObjectMeta
from pydantic import JsonValue

_R = TypeVar("_R", bound=Resource)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event(Generic[_R]):
    """One change."""

    what: str
    """`ADDED`, `MODIFIED`, `DELETED`, or `BOOKMARK`, which says only how far it is. Source: Kubernetes API concepts, "Efficient detection of changes"."""
    thing: _R


@dataclass(slots=True)
class Snapshot(Generic[_R]):
    """What is there."""

    things: tuple[_R, ...]
    version: str
    """The resourceVersion up to which it is so."""
    _by_name: dict[str, _R] = field(init=False)

    def __post_init__(self) -> None:
        self._by_name = {metadata(thing).name or "": thing for thing in self.things}

    def take(self, event: Event[_R]) -> None:
        """It is so after the event, too."""
        of = metadata(event.thing)
        self.version = of.resourceVersion or self.version
        if event.what == "BOOKMARK":
            return
        if event.what == "DELETED":
            self._by_name.pop(of.name or "", None)
        else:
            self._by_name[of.name or ""] = event.thing
        self.things = tuple(self._by_name.values())


def made(kind: type[_R], said: Mapping[str, JsonValue]) -> _R:
    """Return the object that the API server told of."""
    return kind.from_dict(said)  # type: ignore[attr-defined, no-any-return]  # lightkube gives it to every resource, and says so of none


def metadata(thing: Resource) -> ObjectMeta:
    """Return the object's metadata; empty where it has none."""
    said = getattr(thing, "metadata", None)
    return said if isinstance(said, ObjectMeta) else ObjectMeta()
