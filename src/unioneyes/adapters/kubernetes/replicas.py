"""The service's replicas as pods of two Deployments, one for each colour. Implements `ports.replicas.Replicas`."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Pod
from pydantic import JsonValue, SecretStr

from unioneyes.adapters.kubernetes.client import Cluster
from unioneyes.adapters.kubernetes.connection import FIELD_MANAGER
from unioneyes.adapters.kubernetes.failures import APPLY, ObjectMissing
from unioneyes.adapters.kubernetes.fencing import write
from unioneyes.adapters.kubernetes.pod_logs import logs_of
from unioneyes.adapters.kubernetes.rehearsal import Rehearsal
from unioneyes.adapters.kubernetes.release import (
    Standing,
    begun,
    belongs,
    differences,
    hands,
    has_container,
    of,
    rolled,
    said,
    said_stopped,
    standing,
    strategy,
    template,
)
from unioneyes.adapters.kubernetes.release import replicas as replicas_of
from unioneyes.adapters.kubernetes.release import version as running_version
from unioneyes.adapters.kubernetes.revisions import Revisions
from unioneyes.adapters.kubernetes.rollout import ended, ending, is_ready, named, present, restarts, running, since
from unioneyes.adapters.kubernetes.scaling import Autoscaler, autoscaler
from unioneyes.adapters.kubernetes.vigil import NotEnded, RolledOut, follow
from unioneyes.kernel.clock import now
from unioneyes.kernel.problems import BadInput, Problem, Refused
from unioneyes.ports.replicas import CanNotRoll, LogLine, NoReadyReplica, Outcome, PoolUse, Replica, ReplicasReady, Revision, Rolled, Rolling
from unioneyes.ports.traffic import Colour

APP = "unioneyes-web"
_METRICS = "/metrics"
_METRICS_WITHIN = timedelta(seconds=1)
_STOP_WITHIN = timedelta(seconds=90)
"""For pods to finish what they have: their grace is 30 s in our manifests."""
_AT_ONCE = 16
"""Pods that are asked at the same time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KubernetesReplicas:
    """Two Deployments, which manifests made; of these we say how many pods run, of which image, with which configuration, and nothing else.

    Starting another version on a colour ends the pods of the one before first. Who is in the middle of ending is no replica any more. The logs of pods
    that are gone are gone with them: a log collector keeps them, the cluster does not.
    """

    cluster: Cluster
    image: Callable[[str], str]
    """Returns the image of a version, by digest."""
    configuration: Callable[[], Mapping[str, str]]
    """Settings of the service, as the environment says now."""
    read_outcomes: Callable[[str, str], tuple[Outcome, ...]] = lambda _text, _replica: ()
    read_pool: Callable[[str, str], PoolUse | None] = lambda _text, _replica: None
    """Reads what a replica's /metrics say, by the text and the replica's name; nothing where the service counts nothing."""
    app: str = APP
    """The value of the pods' label `app`; the Deployments are called after it."""
    container: str = "web"
    port: int = 8000
    private_port: int = 8001
    """Where a pod tells its metrics."""
    database_secret: str = "database-credentials"  # noqa: S105 - a Secret's name
    database_key: str = "url"

    def all(self) -> tuple[Replica, ...]:
        """Return every replica of both colours, ordered by name; not those that are ending."""
        placed = {colour: standing(found) for colour in Colour if (found := self.cluster.find(Deployment, self._name(colour)))}
        pods = present(self.cluster.list(Pod, labels={"app": self.app}), datetime.now(UTC))
        replicas = [self._replica(pod, colour, placed.get(colour)) for pod in pods if not ending(pod) and (colour := _colour(pod))]
        return tuple(sorted(replicas, key=lambda replica: replica.name))

    def start(self, colour: Colour, *, version: str, count: int, within: timedelta, configuration: Mapping[str, str] | None = None) -> ReplicasReady:
        """`colour` runs exactly `count` replicas of `version`, each ready; an autoscaler of the colour may want more of them.

        See the port. Raises too: ChangedByHand, FencedOff, and the problems of `failures`.
        """
        began = time.monotonic()
        until = began + within.total_seconds()
        if count < 1:
            raise BadInput(what=f"{count} replicas are none", remedy="start at least one, or stop the colour")
        there = self._deployment(colour)
        wanted = self._settle(there, version, count, configuration)
        self._make_room(colour, version, within)
        self._begin(colour.other)
        scaled = autoscaler(self.cluster, self._name(colour))
        written = write(self.cluster, Deployment, self._name(colour), lambda found: self._said(found, wanted, scaled))
        left = timedelta(seconds=max(until - time.monotonic(), 1))
        done = self._follow(colour, wanted, written, scaled, within=left)
        return ReplicasReady(colour=colour, version=version, count=done.count, took=timedelta(seconds=time.monotonic() - began))

    def describe_start(self, colour: Colour, *, version: str, count: int, configuration: Mapping[str, str] | None = None) -> tuple[str, ...]:
        """Return the commands that a person would type for the same. Raises: ObjectMissing."""
        there = self._deployment(colour)
        return (
            *self.describe_stop(colour),
            *self._describe_change(there, colour, version=version, count=count, configuration=configuration),
            f"kubectl {self._in} scale deployment {self._name(colour)} --replicas={count}",
            f"kubectl {self._in} rollout status deployment {self._name(colour)}",
        )

    def mark_served(self, colour: Colour, *, after_rollback: bool = False) -> None:
        """What stands on `colour` has served all members from now on, until another version takes its place; kept across restarts.

        It is the newest revision; with `after_rollback`, the one before it was bad. Raises: FencedOff.
        """
        there = self._deployment(colour)
        stands = standing(there)
        if stands is None:
            return
        if not stands.served:
            write(self.cluster, Deployment, self._name(colour), self._served)
        configuration = self._revisions.configuration(stands.settings)
        self._revisions.record(version=stands.version, replicas=stands.count, configuration=configuration, at=now(), bad_before=after_rollback)
        other = self.cluster.find(Deployment, self._name(colour.other))
        used = {each.settings for each in (stands, standing(other) if other else None) if each}
        self._revisions.clear(used)

    def revisions(self) -> tuple[Revision, ...]:
        """Return what served members so far, newest first."""
        return tuple(reversed(self._revisions.history()))

    def stop(self, colour: Colour) -> None:
        """`colour` runs nothing: each pod was told to drain, finished what it had, and ended. Raises: FencedOff, NotEnded."""
        self._deployment(colour)
        self._end(colour, within=_STOP_WITHIN, by_hand=True)

    def describe_stop(self, colour: Colour) -> tuple[str, ...]:
        """Return the commands that a person would type for the same."""
        return (
            f"kubectl {self._in} scale deployment {self._name(colour)} --replicas=0",
            f"kubectl {self._in} wait pod --selector app={self.app},version={colour} --for=delete --timeout={_STOP_WITHIN.total_seconds():.0f}s",
        )

    def start_rehearsal(self, *, version: str, database_url: SecretStr, within: timedelta) -> str:
        """One pod of `version` runs on another database, reached by no member; return its address (http://...), which is the pod's own.

        Raises: NoReadyReplica.
        """
        self.stop_rehearsal()
        like = self._deployment(Colour.BLUE)
        settings = self._revisions.keep(self.configuration())
        image = self.image(version)
        return self._rehearsal.start(like, version=version, image=image, settings=settings, family=self.app, database_url=database_url, within=within)

    def stop_rehearsal(self) -> None:
        """The rehearsal's pod is gone. Raises: FencedOff."""
        self._revisions.pass_fence()
        self._rehearsal.stop()

    def logs(self, colour: Colour, *, since: datetime, level: str = "DEBUG") -> tuple[LogLine, ...]:
        """Return what the pods of `colour` logged since then at `level` or above, oldest first, and before their last restart; and how they ended."""
        return logs_of(self.cluster, self._pods(colour), container=self.container, since=since, level=level)

    def describe_logs(self, colour: Colour) -> tuple[str, ...]:
        """Return the commands that a person would type for the same."""
        return (f"kubectl {self._in} logs --selector app={self.app},version={colour} --container={self.container} --tail=100 --prefix | grep ERROR",)

    def outcomes(self, colour: Colour) -> tuple[Outcome, ...]:
        """Return what the replicas of `colour` counted by route and by tenant; of one that does not answer within a second, nothing."""
        return tuple(outcome for pod, text in self._counted(colour) for outcome in self.read_outcomes(text, pod))

    def pools(self, colour: Colour) -> tuple[PoolUse, ...]:
        """Return how the replicas of `colour` use their connections; of one that does not answer within a second, or does not say, nothing."""
        return tuple(pool for pod, text in self._counted(colour) if (pool := self.read_pool(text, pod)) is not None)

    def _counted(self, colour: Colour) -> tuple[tuple[str, str], ...]:
        """Return each ready pod's name and what it says of itself."""
        ready = sorted(named(pod) for pod in self._pods(colour) if is_ready(pod))
        with ThreadPoolExecutor(_AT_ONCE) as asking:
            return tuple((pod, text) for pod, text in zip(ready, asking.map(self._exposed, ready), strict=True) if text)

    def _exposed(self, pod: str) -> str:
        try:
            answer = self.cluster.ask_pod(pod, self.private_port, _METRICS, within=_METRICS_WITHIN)
        except Refused:
            raise
        except Problem:  # a slow or an ended one is read the next time
            return ""
        return answer.text if answer.is_success else ""

    def _replica(self, pod: Pod, colour: Colour, placed: Standing | None) -> Replica:
        known = next((each for each in (placed, placed.before if placed else None) if each and belongs(pod, each, container=self.container)), None)
        foreign = placed is not None and running_version(pod) == placed.version and known is None
        return Replica(
            name=named(pod),
            colour=colour,
            version=f"{running_version(pod)}, changed by hand" if foreign else running_version(pod) or "unknown",
            alive=running(pod),
            ready=is_ready(pod),
            restarts=restarts(pod),
            ended=ended(pod),
            since=since(pod) or now(),
            served=known is not None and known.served,
            placed=known.placed if known is not None else None,
        )

    def _begin(self, colour: Colour) -> None:
        """That nothing runs on `colour` is said by us, so that manifests can leave both colours to us as soon as one is deployed."""
        found = self.cluster.find(Deployment, self._name(colour))
        if found is not None and not begun(found, FIELD_MANAGER) and not replicas_of(found):
            write(self.cluster, Deployment, self._name(colour), lambda there: said_stopped(there, container=self.container, family=self.app))

    def _make_room(self, colour: Colour, version: str, within: timedelta) -> None:
        """Pods of another version are gone. Where some are of this one already, the others go as these get ready: nobody ends what may serve.

        Raises: NoReadyReplica, ChangedByHand.
        """
        there = {running_version(pod) for pod in present(self._pods(colour), datetime.now(UTC)) if not ending(pod)}
        if there and version not in there:
            try:
                self._end(colour, within=within, by_hand=False)
            except NotEnded as problem:
                raise NoReadyReplica(what=problem.what, remedy=problem.remedy) from problem

    def _settle(self, there: Deployment, version: str, count: int, configuration: Mapping[str, str] | None) -> Standing:
        """Return what shall stand there; its configuration is kept. What stands there already keeps what it was started with."""
        image, before = self.image(version), standing(there)
        same = before if before and (before.version, before.image) == (version, image) else None
        if same and configuration is None:
            return replace(same, count=count)
        settings = self._revisions.keep(self.configuration() if configuration is None else configuration)
        placed, served = (same.placed, same.served) if same else (now(), False)
        return Standing(version=version, image=image, settings=settings, count=count, placed=placed, served=served)

    def _said(self, found: Deployment, wanted: Standing, scaled: Autoscaler | None) -> Mapping[str, JsonValue]:
        self._untouched(found)
        return said(found, wanted, container=self.container, run=scaled.run(found, wanted) if scaled else wanted.count, family=self.app)

    def _served(self, found: Deployment) -> Mapping[str, JsonValue]:
        stands = standing(found)
        if stands is None:
            raise ChangedByHand(what=f"{of(found).name} was stopped in the middle of it", remedy="ue deploy status")
        return said(found, replace(stands.at_rest, served=True), container=self.container, run=stands.count, family=self.app)

    def _untouched(self, found: Deployment) -> None:
        """Nobody changed by hand what we wrote. Raises: ChangedByHand."""
        if changed := differences(found, container=self.container, family=self.app):
            raise self._changed(found, changed)

    def _changed(self, found: Deployment, how: tuple[str, ...]) -> ChangedByHand:
        by = ", ".join(hands(found, FIELD_MANAGER)[-2:])
        return ChangedByHand(
            what=f"{of(found).name} was changed by hand{f' ({by})' if by else ''}: {'; '.join(how)}",
            remedy=f"ask who did that. To go on from what is there now: kubectl {self._in} annotate deployment {of(found).name} "
            "unioneyes.app/release- unioneyes.app/placed-",
        )

    def _follow(self, colour: Colour, wanted: Standing, written: Deployment, scaled: Autoscaler | None, *, within: timedelta) -> RolledOut:
        def changed(found: Deployment) -> ChangedByHand | None:
            how = differences(found, container=self.container, family=self.app)
            run = wanted.count if scaled is None else None
            asked = replicas_of(found)
            if standing(found) is None or (run is not None and asked != run):
                how = (*how, f"it asks for {asked} replicas, and was told to run {wanted.count}")
            return self._changed(found, how) if how and of(found).generation != of(written).generation else None

        return follow(
            self.cluster, self._name(colour), self._labels(colour), wanted, container=self.container, changed=changed, within=within, remedy=self._see(colour)
        )

    def _end(self, colour: Colour, *, within: timedelta, by_hand: bool) -> None:
        """No pod of the colour is left. What was changed by hand is ended only `by_hand`. Raises: ChangedByHand, NotEnded."""

        def say(found: Deployment) -> Mapping[str, JsonValue]:
            if not by_hand:
                self._untouched(found)
            return said_stopped(found, container=self.container, family=self.app)

        write(self.cluster, Deployment, self._name(colour), say)
        left: tuple[Pod, ...] = ()
        for pods in self.cluster.watch(Pod, labels=self._labels(colour), within=within):
            left = present(pods, datetime.now(UTC))
            if not left:
                return
        raise NotEnded(what=f"{', '.join(map(named, left))} did not end within {within.total_seconds():.0f} s", remedy=self._see(colour))

    def _pods(self, colour: Colour) -> tuple[Pod, ...]:
        return tuple(sorted(self.cluster.list(Pod, labels=self._labels(colour)), key=named))

    def _deployment(self, colour: Colour) -> Deployment:
        """Return the colour's Deployment. Raises: HalfApplied, NamespaceMissing, ..."""
        name = self._name(colour)
        try:
            found = self.cluster.get(Deployment, name)
        except ObjectMissing as problem:
            raise HalfApplied(what=f"there is no Deployment {name} in the namespace {self.cluster.namespace}", remedy=APPLY) from problem
        if not has_container(found, self.container):
            raise HalfApplied(what=f"the Deployment {name} has no container {self.container!r}", remedy=APPLY)
        return found

    def roll(
        self, colour: Colour, *, version: str, new: int | None = None, within: timedelta, configuration: Mapping[str, str] | None = None, back: bool = False
    ) -> Rolled:
        """So many pods of `colour` as it runs are of `version`, put in the place of others by the Deployment itself; `new` of them, or all where not said.

        Some new ones stand beside all the others: so many more than usual. See the port. Raises too: ChangedByHand, FencedOff, and the problems of `failures`.
        """
        began = time.monotonic()
        self._deployment(colour)
        image = self.image(version)
        settings = self._revisions.keep(self.configuration() if configuration is None else configuration)

        def say(found: Deployment) -> Mapping[str, JsonValue]:
            self._untouched(found)
            current = self._stands(found, colour)
            target = Standing(version=version, image=image, settings=settings, count=current.count, placed=now())
            wanted = rolled(current, target, new=None if new is None else min(new, current.count), back=back)
            return said(found, wanted, container=self.container, run=current.count, family=self.app)

        written = write(self.cluster, Deployment, self._name(colour), say)
        wanted = self._stands(written, colour)
        scaled = autoscaler(self.cluster, self._name(colour))
        done = self._follow(colour, wanted, written, scaled, within=within * (wanted.count + 1))
        if wanted.served and wanted.before is not None and wanted.new is None:  # back where it was before
            write(self.cluster, Deployment, self._name(colour), self._served)
        stands = done.count if wanted.new is None else wanted.new
        return Rolled(colour=colour, version=version, new=stands, count=wanted.count, took=timedelta(seconds=time.monotonic() - began))

    def rolling(self, colour: Colour) -> Rolling | None:
        """Return what is being put in the place of what on `colour`, until it has served all members; None where nothing is."""
        found = self.cluster.find(Deployment, self._name(colour))
        stands = standing(found) if found else None
        if stands is None or stands.before is None:
            return None
        return Rolling(colour=colour, version=stands.version, before=stands.before.version, back=stands.back)

    def describe_roll(self, colour: Colour, *, version: str, configuration: Mapping[str, str] | None = None) -> tuple[str, ...]:
        """Return the commands that a person would type for the same. Raises: CanNotRoll, ObjectMissing."""
        there = self._deployment(colour)
        current = self._stands(there, colour)
        return (
            *self._describe_change(there, colour, version=version, count=current.count, configuration=configuration, before=current),
            f"kubectl {self._in} rollout status deployment {self._name(colour)}",
        )

    def _describe_change(
        self, there: Deployment, colour: Colour, *, version: str, count: int, configuration: Mapping[str, str] | None, before: Standing | None = None
    ) -> tuple[str, ...]:
        """Return the commands that give the Deployment a release with its settings; `before` is what it replaces pod by pod."""
        settled = dict(self.configuration() if configuration is None else configuration)
        wanted = Standing(version=version, image=self.image(version), settings=self._revisions.settings(settled), count=count, placed=now())
        values = "".join(f" --from-literal={shlex.quote(f'{name}={value}')}" for name, value in sorted(settled.items()))
        how = strategy(replace(wanted, before=before)) if before else {}
        change: JsonValue = {"spec": {**how, "template": template(there, wanted, container=self.container, family=self.app)}}
        return (
            f"kubectl {self._in} create configmap {wanted.settings}{values}",
            f"kubectl {self._in} patch deployment {self._name(colour)} --patch {shlex.quote(json.dumps(change))}",
        )

    def _stands(self, found: Deployment, colour: Colour) -> Standing:
        """Return what stands there. Raises: CanNotRoll where that is nothing."""
        stands = standing(found)
        if stands is None or stands.count < 1:
            raise CanNotRoll(what=f"{colour} runs nothing, so there is nothing to roll", remedy="ue deploy status; ue deploy start without --strategy rolling")
        return stands

    def _labels(self, colour: Colour) -> dict[str, str]:
        return {"app": self.app, "version": colour.value}

    def _name(self, colour: Colour) -> str:
        return f"{self.app}-{colour}"

    def _see(self, colour: Colour) -> str:
        return f"kubectl {self._in} describe pods --selector app={self.app},version={colour}"

    @property
    def _in(self) -> str:
        return f"-n {self.cluster.namespace}"

    @property
    def _revisions(self) -> Revisions:
        return Revisions(cluster=self.cluster, family=self.app)

    @property
    def _rehearsal(self) -> Rehearsal:
        return Rehearsal(
            cluster=self.cluster,
            name=f"{self.app}-rehearsal",
            container=self.container,
            database_secret=self.database_secret,
            secret_key=self.database_key,
            port=self.port,
        )


def _colour(pod: Pod) -> Colour | None:
    said = (of(pod).labels or {}).get("version")
    return next((colour for colour in Colour if colour == said), None)


class ChangedByHand(Refused):
    """Somebody changed the Deployment by hand: it is not written over."""


class HalfApplied(Refused):
    """The manifests were not applied, or only in part."""
