"""A namespace of a cluster, as its API server has it. Each call ends in time, and each failure is a problem with a remedy."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

import httpx2
from lightkube.core.resource import GlobalResource, NamespacedResource, api_info
from lightkube.core.resource import NamespacedResourceG as Resource
from lightkube.resources.core_v1 import Namespace
from lightkube.types import PatchType
from pydantic import JsonValue

from unioneyes.adapters.kubernetes.access import Access, find_access
from unioneyes.adapters.kubernetes.connection import FIELD_MANAGER, Connection
from unioneyes.adapters.kubernetes.failures import APPLY, Asked, Expired, KindMissing, MissingRight, NamespaceMissing, ObjectMissing
from unioneyes.adapters.kubernetes.kinds import learn
from unioneyes.adapters.kubernetes.watching import Event, Snapshot, made, metadata
from unioneyes.kernel.cancelling import sleep
from unioneyes.kernel.problems import Unavailable

TIME_LIMIT = timedelta(seconds=10)
"""For one call, what is tried again included."""
TICK = timedelta(seconds=2)
"""How often a watch gives what there is where nothing changes."""
_AFTER_A_FAILURE = 0.3
"""Seconds before a watch that broke is begun again."""
_PAGE = 500
"""Objects in one answer."""
_R = TypeVar("_R", bound=Resource)
_N = TypeVar("_N", bound=NamespacedResource)
_G = TypeVar("_G", bound=GlobalResource)


class Cluster:
    """A namespace. Threads may share one; connections are kept."""

    def __init__(
        self,
        access: Callable[[], Access] = find_access,
        *,
        namespace: str,
        server: str | None = None,
        time_limit: timedelta = TIME_LIMIT,
    ) -> None:
        """Reach the API server as `access` says, when something is first asked; `server`, where given, is the address that must be there.

        The service account of the pod that this runs in leads to the cluster around it, whatever address that has: `server` is not compared then.
        """
        self.namespace = namespace
        self._connection = Connection(access, namespace=namespace, server=server, time_limit=time_limit)

    def get(self, kind: type[_N], name: str, *, within: timedelta | None = None) -> _N:
        """Return the object. Raises: ObjectMissing, NamespaceMissing, KindMissing, MissingRight, and the others of `failures`."""
        try:
            with self._connection.used(self._asked("get", kind, name), within) as client:
                found: _N = client.get(kind, name)
                return found
        except ObjectMissing:
            self._look_for_namespace()
            raise

    def get_of_cluster(self, kind: type[_G], name: str) -> _G:
        """Return an object that belongs to no namespace. Raises: as `get`."""
        with self._connection.used(replace(self._asked("get", kind, name), namespace="")) as client:
            found: _G = client.get(kind, name)
            return found

    def find(self, kind: type[_N], name: str, *, within: timedelta | None = None) -> _N | None:
        """Return the object, or None where there is none."""
        try:
            return self.get(kind, name, within=within)
        except ObjectMissing:
            return None

    def list(
        self, kind: type[_R], *, labels: Mapping[str, str] | None = None, fields: Mapping[str, str] | None = None, within: timedelta | None = None
    ) -> tuple[_R, ...]:
        """Return the objects that have these labels and fields. A namespace that does not exist has none: the API server says no more of it."""
        with self._connection.used(self._asked("list", kind), within) as client:
            return tuple(
                client.list(kind, labels=dict(labels) if labels else None, fields=dict(fields) if fields else None, chunk_size=_PAGE),
            )

    def create(self, thing: _R, *, within: timedelta | None = None) -> _R:
        """The object exists, made now. Raises: ChangedMeanwhile where there is one of that name.

        What is to be changed later is made by `apply`: what we made, or patched, counts as another's when we apply.
        """
        name = metadata(thing).name
        with self._connection.used(self._asked("create", type(thing), name), within) as client:
            made: _R = client.create(thing, field_manager=FIELD_MANAGER)
            return made

    def apply(
        self, kind: type[_N], name: str, said: Mapping[str, JsonValue], *, seen: str | None = None, force: bool = False, within: timedelta | None = None
    ) -> _N:
        """The object says `said` where it says that, all that we ever set of it; the API server merges the rest (server-side apply).

        `seen` is the resourceVersion of the object as it was read: another one refuses the write (ChangedMeanwhile). With `force` fields of others become
        ours: only for what was looked at in the object with that resourceVersion. Raises: OwnedByAnother, ChangedMeanwhile, NotAdmitted, MissingRight, ...
        """
        info = api_info(kind)
        metadata = said.get("metadata")
        whole: dict[str, JsonValue] = {
            **said,
            "apiVersion": info.resource.api_version,
            "kind": info.resource.kind,
            "metadata": {**(metadata if isinstance(metadata, dict) else {}), "name": name, **({"resourceVersion": seen} if seen else {})},
        }
        return self._patch(kind, name, whole, PatchType.APPLY, force=force, within=within)

    def patch(self, kind: type[_N], name: str, change: Mapping[str, JsonValue], *, within: timedelta | None = None) -> _N:
        """The object has this change (a JSON merge patch); `metadata.resourceVersion` in it is compared."""
        return self._patch(kind, name, change, PatchType.MERGE, force=False, within=within)

    def delete(self, kind: type[_R], name: str, *, grace: timedelta | None = None, within: timedelta | None = None) -> None:
        """The object is gone, or about to be; also where there was none."""
        try:
            with self._connection.used(self._asked("delete", kind, name), within) as client:
                client.delete(kind, name, grace_period=None if grace is None else math.ceil(grace.total_seconds()))
        except ObjectMissing:
            return

    def watch(
        self, kind: type[_R], *, labels: Mapping[str, str] | None = None, fields: Mapping[str, str] | None = None, within: timedelta, tick: timedelta = TICK
    ) -> Iterator[tuple[_R, ...]]:
        """Yield what there is: at once, after each change, and at each tick; until `within` has passed.

        It begins anew where the API server forgot (410) and where the connection broke; what keeps it from that is raised when `within` has passed.
        A right that is missing, and what else no waiting mends, is raised at once.
        """
        until = time.monotonic() + within.total_seconds()
        params = _params(labels, fields)
        snapshot: Snapshot[_R] | None = None
        while (left := until - time.monotonic()) > 0:
            try:
                if snapshot is None:
                    snapshot = self._snapshot(kind, params, left)
                    yield snapshot.things
                for changed in self._events(kind, params, snapshot.version, min(left, tick.total_seconds())):
                    snapshot.take(changed)
                    yield snapshot.things
                yield snapshot.things
            except Expired:
                snapshot = None
            except Unavailable:
                if time.monotonic() + _AFTER_A_FAILURE > until:
                    raise
                sleep(_AFTER_A_FAILURE)

    def logs(
        self,
        pod: str,
        *,
        container: str | None = None,
        since: datetime | None = None,
        previous: bool = False,
        tail: int | None = None,
        within: timedelta | None = None,
    ) -> tuple[str, ...]:
        """Return the lines that the container logged, each behind its time (RFC 3339) and a blank; with `previous`, those of the one before its restart."""
        params: dict[str, str] = {"timestamps": "true", **({"container": container} if container else {}), **({"previous": "true"} if previous else {})}
        params |= {"sinceTime": since.isoformat()} if since else {}
        params |= {"tailLines": str(tail)} if tail else {}
        said = self._connection.send(self._asked_of_pod("get", pod, "log"), self._of_pod(pod, "log"), params=params, within=within)
        return tuple(said.content.decode(errors="replace").splitlines())

    def follow_logs(
        self, pod: str, *, container: str | None = None, within: timedelta, tail: int | None = None, since: datetime | None = None
    ) -> Iterator[str]:
        """Yield the lines that the container logs, each behind its time and a blank, as they come; until it ends, or `within` has passed.

        Nothing is yielded for a quiet container: whoever must look around meanwhile asks for less.
        """
        params: dict[str, str] = {"timestamps": "true", "follow": "true", **({"container": container} if container else {})}
        params |= {"tailLines": str(tail)} if tail is not None else {}
        params |= {"sinceTime": since.isoformat()} if since else {}
        return self._connection.stream(self._asked_of_pod("get", pod, "log"), self._of_pod(pod, "log"), params=params, within=within)

    def ask_pod(self, pod: str, port: int, path: str, *, method: str = "GET", within: timedelta | None = None) -> httpx2.Response:
        """Return what the pod answers at the port, asked through the API server; its own errors too. Sent once. Raises: ObjectMissing, MissingRight, ..."""
        asked = self._asked_of_pod("get" if method == "GET" else "create", pod, "proxy")
        return self._connection.send(asked, f"{self._of_pod(f'{pod}:{port}', 'proxy')}/{path.lstrip('/')}", method=method, within=within, passed_on=True)

    def execute(
        self, pod: str, command: tuple[str, ...], *, container: str | None = None, stdin: bytes | None = None, within: timedelta
    ) -> tuple[int, str, str]:
        """Return the exit code of the command in the container, and what it said on stdout and stderr."""
        with self._connection.used(self._asked_of_pod("get", pod, "exec"), within) as client:
            ended = client.exec(pod, container=container, command=command, stdin=stdin, stdout=True, stderr=True, decode=None, timeout=within.total_seconds())
        return ended.exit_code, _text(ended.stdout), _text(ended.stderr)

    def server(self) -> str:
        """Return the API server's address, which is the environment's; it is not asked. Raises: NoAccess, WrongCluster."""
        return self._connection.server

    def check(self) -> str:
        """Return the API server's address: it answers, knows who asks, is the environment's, and has the namespace as far as we may see. Raises: as `get`."""
        self._look_for_namespace()
        return self._connection.server

    def knows(self, group: str) -> bool:
        """Return whether the cluster has kinds of objects of that group, such as `gateway.networking.k8s.io`: every user may ask. Raises: as `get`."""
        try:
            self._connection.send(Asked(verb="get", resource=group, namespace=self.namespace), f"/apis/{group}")
        except (KindMissing, ObjectMissing):
            return False
        return True

    def ask_about_us(self, question: _G) -> _G:
        """Return the API server's answer: who we are, what we may."""
        with self._connection.used(self._asked("create", type(question))) as client:
            answer: _G = client.create(question)
            return answer

    def close(self) -> None:
        """Every connection is closed; what is asked next opens new ones."""
        self._connection.close()

    def _patch(self, kind: type[_N], name: str, body: Mapping[str, JsonValue], how: PatchType, *, force: bool, within: timedelta | None) -> _N:
        with self._connection.used(self._asked("patch", kind, name), within) as client:
            patched: _N = client.patch(kind, name, dict(body), patch_type=how, field_manager=FIELD_MANAGER, force=force)
            return patched

    def _snapshot(self, kind: type[_R], params: Mapping[str, str], left: float) -> Snapshot[_R]:
        limit = timedelta(seconds=max(1.0, min(left, self._connection.limit.total_seconds())))
        whole = self._connection.send(self._asked("list", kind), self._path(kind), params=params, within=limit).json()
        things = tuple(made(kind, item) for item in whole["items"])
        return Snapshot(things=things, version=whole["metadata"]["resourceVersion"])

    def _events(self, kind: type[_R], params: Mapping[str, str], since: str, seconds: float) -> Iterator[Event[_R]]:
        """Yield what changes for so many seconds. Raises: Expired."""
        ends = str(max(1, math.ceil(seconds)))
        watching = {**params, "watch": "true", "resourceVersion": since, "allowWatchBookmarks": "true", "timeoutSeconds": ends}
        for line in self._connection.stream(self._asked("watch", kind), self._path(kind), params=watching, within=timedelta(seconds=seconds)):
            said = json.loads(line)
            if said["type"] == "ERROR":
                raise Expired(what=f"the watch ended: {said['object'].get('message', '')}", remedy="try again: it begins anew")
            yield Event(what=said["type"], thing=made(kind, said["object"]))

    def _look_for_namespace(self) -> None:
        """Return where the namespace exists, as far as we may see that. Raises: NamespaceMissing."""
        try:
            with self._connection.used(self._asked("get", Namespace, self.namespace)) as client:
                client.get(Namespace, self.namespace)
        except ObjectMissing:
            raise NamespaceMissing(
                what=f"there is no namespace {self.namespace!r}", remedy=f"kubectl create namespace {self.namespace}, then {APPLY}"
            ) from None
        except MissingRight:  # then it is not for us to see, and what else is asked will tell
            return

    def _asked(self, verb: str, kind: type[NamespacedResource | GlobalResource], name: str | None = None) -> Asked:
        learn(kind)
        info = api_info(kind)
        of = info.parent or info.resource
        resource = f"{info.plural}{f'.{of.group}' if of.group else ''}{f'/{info.action}' if info.action else ''}"
        return Asked(verb=verb, resource=resource, namespace=self.namespace, name=name)

    def _asked_of_pod(self, verb: str, pod: str, of: str) -> Asked:
        return Asked(verb=verb, resource=f"pods/{of}", namespace=self.namespace, name=pod)

    def _of_pod(self, pod: str, what: str) -> str:
        return f"/api/v1/namespaces/{self.namespace}/pods/{pod}/{what}"

    def _path(self, kind: type[NamespacedResource]) -> str:
        info = api_info(kind)
        group = f"/apis/{info.resource.group}" if info.resource.group else "/api"
        return f"{group}/{info.resource.version}/namespaces/{self.namespace}/{info.plural}"


def _params(labels: Mapping[str, str] | None, fields: Mapping[str, str] | None) -> dict[str, str]:
    chosen = {"labelSelector": labels, "fieldSelector": fields}
    return {name: ",".join(f"{key}={value}" for key, value in pairs.items()) for name, pairs in chosen.items() if pairs}


def _text(said: str | bytes | None) -> str:
    return said.decode(errors="replace") if isinstance(said, bytes) else said or ""
