"""What is filed in the cluster for the Gateway: read, and written by whoever is in charge alone, and put back where it does not come into force."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from lightkube.core.resource import api_info
from lightkube.generic_resource import GenericNamespacedResource, create_namespaced_resource
from pydantic import BaseModel, JsonValue, TypeAdapter

from unioneyes.adapters.kubernetes.client import Cluster
from unioneyes.adapters.kubernetes.failures import ChangedMeanwhile, KindMissing, NotAdmitted, ObjectMissing
from unioneyes.adapters.kubernetes.fencing import TOKEN, fenced
from unioneyes.adapters.kubernetes.gateway.routes import Mark
from unioneyes.kernel.cancelling import sleep
from unioneyes.kernel.problems import Problem, Unavailable
from unioneyes.ports.traffic import ForeignRoutes, RoutesRejected, TrafficUnavailable

HTTP_ROUTE = create_namespaced_resource("gateway.networking.k8s.io", "v1", "HTTPRoute", "httproutes")
BACKEND_TRAFFIC_POLICY = create_namespaced_resource("gateway.envoyproxy.io", "v1alpha1", "BackendTrafficPolicy", "backendtrafficpolicies")
SECURITY_POLICY = create_namespaced_resource("gateway.envoyproxy.io", "v1alpha1", "SecurityPolicy", "securitypolicies")
_WITHIN = timedelta(seconds=5)
_TURN_LIMIT = timedelta(seconds=30)
"""For a write into which others write again and again."""
_POLL_SECONDS = 0.02
_logger = logging.getLogger(__name__)


class _Condition(BaseModel):
    type: str
    status: str
    reason: str = ""
    message: str = ""
    generation: int = 0

    model_config = {"alias_generator": lambda name: "observedGeneration" if name == "generation" else name}


class _Parent(BaseModel):
    conditions: list[_Condition] = []


class _Status(BaseModel):
    parents: list[_Parent] = []
    """Of a route."""
    ancestors: list[_Parent] = []
    """Of a policy."""


class _Metadata(BaseModel):
    resource_version: str = ""
    generation: int = 0
    annotations: dict[str, str] = {}

    model_config = {"alias_generator": lambda name: "resourceVersion" if name == "resource_version" else name}


class _Object(BaseModel):
    metadata: _Metadata
    spec: dict[str, JsonValue] = {}
    status: _Status = _Status()


_OBJECT = TypeAdapter(_Object)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filed:
    """What is filed."""

    spec: dict[str, JsonValue]
    version: str
    """Its resourceVersion: a write that names another one is refused."""
    generation: int
    annotations: dict[str, str]
    refused: str
    """Why the Gateway refuses it; empty where it does not, or has not said so yet."""

    def fingerprint(self, mark: Mark) -> str:
        """Return a short mark of what it says, but for when it was written."""
        return hashlib.sha256(json.dumps(self.spec, sort_keys=True).replace(str(mark), mark.change).encode()).hexdigest()


class Pending(Exception):  # noqa: N818 - it is caught by whoever waits
    """Somebody else's change is being taken: it is not this one's turn yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FiledObject:
    """One object of the Gateway's: a route, or a policy."""

    cluster: Cluster
    kind: type[GenericNamespacedResource]
    name: str
    owned: tuple[str, ...]
    """The fields of its spec that we write: all of them each time."""

    def read(self) -> Filed:
        """Return what is filed. Raises: ForeignRoutes where there is none, and the problems of the cluster."""
        try:
            return _filed(self.cluster.get(self.kind, self.name, within=_WITHIN))
        except (ObjectMissing, KindMissing) as problem:
            raise ForeignRoutes(what=problem.what, remedy=problem.remedy) from None

    def write(self, say: Callable[[Filed], Mapping[str, JsonValue] | None], taken: Callable[[Filed], None]) -> None:
        """Its spec has the fields that `say` makes of what is filed, and `taken` has seen that they are in force; else it is as it was before.

        Nothing is written where `say` returns None; where it raises Pending, it is asked again. Raises: FencedOff, RoutesRejected, and what `taken` raises.
        """
        until = time.monotonic() + _TURN_LIMIT.total_seconds()
        while time.monotonic() < until:
            before = self.read()
            self._fenced(before, {})  # whoever comes late is told so before anything else
            try:
                if (wanted := say(before)) is None:
                    self._pass(before)
                    return
                written = self._put(before, wanted)
            except Pending:
                sleep(_POLL_SECONDS)
                continue
            except ChangedMeanwhile:
                continue  # by another writer, or by the Gateway's word on it: to be read anew, its token as well
            except NotAdmitted as problem:
                raise RoutesRejected(what=f"the change was refused, and everything stays as it was: {problem.what}", remedy=problem.remedy) from None
            try:
                taken(written)
            except Problem:
                self._put_back(before, written)
                raise
            return
        raise TrafficUnavailable(what=f"{self} is written again and again by somebody else", remedy="end that, then try again")

    def __str__(self) -> str:
        """Return what it is called in problems."""
        return f"the {api_info(self.kind).resource.kind} {self.name}"

    def _put(self, before: Filed, spec: Mapping[str, JsonValue]) -> Filed:
        gone: dict[str, JsonValue] = {name: None for name in self.owned if name in before.spec and name not in spec}
        said = self._fenced(before, {"spec": {**spec, **gone}})
        if gone:  # a field that somebody else set stays where we only stop saying it
            return self._patch(before, said)
        return _filed(self.cluster.apply(self.kind, self.name, said, seen=before.version, force=True, within=_WITHIN))

    def _pass(self, before: Filed) -> None:
        """Its token is this run's, also where nothing else is written: what comes from an earlier run is refused from now on."""
        said = self._fenced(before, {})
        metadata = said.get("metadata")
        if isinstance(metadata, dict) and metadata.get("annotations") != {TOKEN: before.annotations.get(TOKEN)}:
            self._patch(before, said)

    def _patch(self, before: Filed, said: Mapping[str, JsonValue]) -> Filed:
        metadata = said.get("metadata")
        change = {**said, "metadata": {**(metadata if isinstance(metadata, dict) else {}), "resourceVersion": before.version}}
        return _filed(self.cluster.patch(self.kind, self.name, change, within=_WITHIN))

    def _fenced(self, before: Filed, said: dict[str, JsonValue]) -> Mapping[str, JsonValue]:
        """Return `said` with the token that is kept with it. Raises: FencedOff."""
        return fenced(said, before.annotations, str(self))

    def _put_back(self, before: Filed, written: Filed) -> None:
        """What was filed before is filed again, as far as the cluster can be reached, and unless somebody has written something else meanwhile."""
        spec = {name: before.spec[name] for name in self.owned if name in before.spec}
        until = time.monotonic() + _WITHIN.total_seconds()
        while time.monotonic() < until:
            try:
                now = self.read()
                if now.generation == written.generation:
                    self._put(now, spec)
            except Unavailable:
                time.sleep(_POLL_SECONDS)
                continue
            except Problem:
                _logger.warning("%s could not be put back", self)
            return


def _filed(thing: object) -> Filed:
    found = _OBJECT.validate_python(dict(thing))  # type: ignore[call-overload]  # lightkube's generic resources are dictionaries
    conditions = [each for parent in (*found.status.parents, *found.status.ancestors) for each in parent.conditions]
    refused = [
        f"{each.type} is false: {each.reason}: {each.message}"
        for each in conditions
        if each.type in {"Accepted", "ResolvedRefs"} and each.status == "False" and each.generation >= found.metadata.generation
    ]
    return Filed(
        spec=found.spec,
        version=found.metadata.resource_version,
        generation=found.metadata.generation,
        annotations=found.metadata.annotations,
        refused="; ".join(refused),
    )
