"""What a colour's Deployment should run, as the Deployment itself keeps it: read from it, and said to it. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from lightkube.models.core_v1 import Container, EnvFromSource, PodSpec, PodTemplateSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Pod
from pydantic import JsonValue, TypeAdapter

from unioneyes.kernel.problems import BadInput

VERSION_LABEL = "app.kubernetes.io/version"
"""On the pods: which release they run. Source: Kubernetes' documentation, "Recommended Labels"."""
_RELEASE, _IMAGE, _SETTINGS, _PLACED, _SERVED = (f"unioneyes.app/{name}" for name in ("release", "image", "settings", "placed", "served"))
"""Annotations of the Deployment: what we last wrote, so that what somebody changed by hand shows."""
_ROLL = "unioneyes.app/roll"
"""The annotation that says what stands there takes the place of, pod by pod."""
_HELD = timedelta(days=7)
"""How long a pod must be ready until it counts as available, where no further one is to be replaced: longer than anybody is waited for."""
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
"""What a label may say. Source: Kubernetes' documentation, "Labels and Selectors"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The release that stands on a colour."""

    version: str
    image: str
    """By digest."""
    settings: str
    """The ConfigMap with its configuration."""
    count: int
    """How many replicas were asked for; an autoscaler may run more."""
    placed: datetime
    served: bool = False
    before: Standing | None = None
    """What it takes the place of, pod by pod; None where nothing is under way."""
    new: int | None = None
    """How many of its pods stand beside all of those; None for all, and none of those any more."""
    back: bool = False
    """True where it served before, and is on its way back."""

    @property
    def at_rest(self) -> Standing:
        """The same, with nothing under way."""
        return replace(self, before=None, new=None, back=False)

    def is_same(self, other: Standing) -> bool:
        """Return whether both are the same image with the same settings."""
        return (self.version, self.image, self.settings) == (other.version, other.image, other.settings)

    def __post_init__(self) -> None:
        """Raises: BadInput."""
        if not _LABEL.fullmatch(self.version):
            raise BadInput(what=f"the version {self.version!r} can't be a label of Kubernetes", remedy="letters, digits, '.', '_' and '-', 63 at most")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Roll:
    """A roll, as the annotation keeps it."""

    version: str
    image: str
    settings: str
    placed: datetime
    served: bool
    new: int | None
    back: bool

    @classmethod
    def said(cls, wanted: Standing) -> _Roll:
        """Return what is kept of `wanted`, whose pods take the place of others."""
        before = wanted.before or wanted
        return cls(
            version=before.version,
            image=before.image,
            settings=before.settings,
            placed=before.placed,
            served=before.served,
            new=wanted.new,
            back=wanted.back,
        )

    def of(self, stands: Standing) -> Standing:
        """Return `stands` with the roll."""
        before = Standing(version=self.version, image=self.image, settings=self.settings, count=stands.count, placed=self.placed, served=self.served)
        return replace(stands, before=before, new=self.new, back=self.back)


_ROLLS = TypeAdapter(_Roll)


def standing(deployment: Deployment) -> Standing | None:
    """Return what we last placed there and did not stop; None where that is nothing."""
    said = of(deployment).annotations or {}
    if _RELEASE not in said:
        return None
    stands = Standing(
        version=said[_RELEASE],
        image=said.get(_IMAGE, ""),
        settings=said.get(_SETTINGS, ""),
        count=replicas(deployment),
        placed=datetime.fromisoformat(said[_PLACED]) if _PLACED in said else datetime.fromtimestamp(0, UTC),
        served=said.get(_SERVED) == "true",
    )
    return _ROLLS.validate_json(said[_ROLL]).of(stands) if _ROLL in said else stands


def rolled(current: Standing, target: Standing, *, new: int | None, back: bool) -> Standing:
    """Return what shall stand once `new` pods of `target` stand (all of them where not said), one after the other in the place of `current`.

    What served before and comes back has served, and stands since when it was put there. Nothing is under way where `target` stands already.
    """
    if current.is_same(target):
        return current if current.before is None else replace(current, new=new, back=back)
    before = current.before
    kept = before if before is not None and before.is_same(target) else target
    return replace(kept, count=current.count, before=current.at_rest, new=new, back=back)


def said(deployment: Deployment, wanted: Standing, *, container: str, run: int, family: str) -> Mapping[str, JsonValue]:
    """Return all that we say of the Deployment for `wanted` to stand there, `run` pods of it."""
    annotations: dict[str, JsonValue] = {
        _RELEASE: wanted.version,
        _IMAGE: wanted.image,
        _SETTINGS: wanted.settings,
        _PLACED: wanted.placed.isoformat(),
        _SERVED: str(wanted.served).lower(),
    }
    if wanted.before is not None:
        annotations[_ROLL] = _ROLLS.dump_json(_Roll.said(wanted)).decode()
    return {
        "metadata": {"annotations": annotations},
        "spec": {"replicas": run, **strategy(wanted), "template": template(deployment, wanted, container=container, family=family)},
    }


def strategy(wanted: Standing) -> dict[str, JsonValue]:
    """Return what we say of how its pods take the place of others; nothing where none do.

    A pod that is not available yet is no reason to end another one (`maxUnavailable` is 0), and gets requests as soon as it is ready. So where only some are
    to be new they are never available, and there are so many more: whoever dies meanwhile leaves a roll that stands still.
    """
    if wanted.before is None:
        return {}
    held: dict[str, JsonValue] = {}
    if wanted.new is not None:
        held = {"minReadySeconds": int(_HELD.total_seconds()), "progressDeadlineSeconds": int(_HELD.total_seconds()) * 2}
    return {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": wanted.new or 1, "maxUnavailable": 0}}, **held}


def template(deployment: Deployment, wanted: Standing, *, container: str, family: str) -> dict[str, JsonValue]:
    """Return what we say of the pods."""
    kept: list[JsonValue] = [source.to_dict() for source in sources(deployment, container) if not _is_settings(source, family)]
    own: JsonValue = {"configMapRef": {"name": wanted.settings}}
    return {
        "metadata": {"labels": {VERSION_LABEL: wanted.version}},
        "spec": {"containers": [{"name": container, "image": wanted.image, "envFrom": [*kept, own]}]},
    }


def said_stopped(deployment: Deployment, *, container: str, family: str) -> Mapping[str, JsonValue]:
    """Return all that we say of a Deployment that runs nothing: what its pods would run stays, for a field that nobody says any more is taken away."""
    placed = (of(deployment).annotations or {}).get(_PLACED)
    if placed is None:  # never ours; the manifests may leave the image to us all the same
        unchanged: JsonValue = [{"name": container, "image": image(deployment, container)}]
        return {"spec": {"replicas": 0, "template": {"spec": {"containers": unchanged}}}}
    there = Standing(
        version=_labels(_template(deployment)).get(VERSION_LABEL, "none"),
        image=image(deployment, container),
        settings=settings(deployment, container, family),
        count=0,
        placed=datetime.fromisoformat(placed),
    )
    return {
        "metadata": {"annotations": {_PLACED: placed}},
        "spec": {"replicas": 0, "template": template(deployment, there, container=container, family=family)},
    }


def begun(deployment: Deployment, manager: str) -> bool:
    """Return whether `manager` says anything of it."""
    return any(entry.manager == manager and entry.subresource != "status" for entry in of(deployment).managedFields or [])


def differences(deployment: Deployment, *, container: str, family: str) -> tuple[str, ...]:
    """Return how the Deployment differs from what we last wrote to it: somebody changed it by hand. How many replicas it runs is no such change."""
    wrote = standing(deployment)
    if wrote is None:
        stopped = _PLACED in (of(deployment).annotations or {})
        return (f"it runs {replicas(deployment)} replicas, and was stopped",) if stopped and replicas(deployment) else ()
    there = {
        "image": (wrote.image, image(deployment, container)),
        "settings": (wrote.settings, settings(deployment, container, family)),
        "version": (wrote.version, _labels(_template(deployment)).get(VERSION_LABEL, "none")),
    }
    return tuple(f"its {what} is {now or 'none'}, and was {before} when it was deployed" for what, (before, now) in there.items() if before != now)


def hands(deployment: Deployment, manager: str) -> tuple[str, ...]:
    """Return who else set fields of its specification, newest last: the program's name, and when."""
    entries = [entry for entry in of(deployment).managedFields or [] if entry.manager not in {manager, None} and entry.subresource != "status"]
    entries = [entry for entry in entries if "f:spec" in (entry.fieldsV1 or {})]
    return tuple(
        f"{entry.manager} at {entry.time.isoformat() if entry.time else 'an unknown time'}" for entry in sorted(entries, key=lambda one: str(one.time))
    )


def belongs(pod: Pod, wanted: Standing, *, container: str) -> bool:
    """Return whether the pod was made for `wanted`, also where only its configuration is another one."""
    found = _container(pod.spec, container)
    uses = {source.configMapRef.name for source in (found.envFrom or []) if source.configMapRef} if found else set[str | None]()
    return found is not None and found.image == wanted.image and wanted.settings in uses and version(pod) == wanted.version


def version(pod: Pod) -> str:
    """Return the release that the pod runs, as its label says; empty where it says nothing."""
    return _labels(pod).get(VERSION_LABEL, "")


def of(thing: Deployment | Pod) -> ObjectMeta:
    """Return the object's metadata."""
    return thing.metadata or ObjectMeta()


def replicas(deployment: Deployment) -> int:
    """Return how many pods the Deployment asks for."""
    asked = deployment.spec.replicas
    return 1 if asked is None else asked


def image(deployment: Deployment, container: str) -> str:
    """Return what the container runs; empty where there is no such container."""
    found = _container(_template(deployment).spec, container)
    return (found.image or "") if found else ""


def sources(deployment: Deployment, container: str) -> tuple[EnvFromSource, ...]:
    """Return where the container's variables come from, as a whole."""
    found = _container(_template(deployment).spec, container)
    return tuple(found.envFrom or ()) if found else ()


def settings(deployment: Deployment, container: str, family: str) -> str:
    """Return the ConfigMap of its configuration; empty where there is none."""
    return next((source.configMapRef.name or "" for source in sources(deployment, container) if source.configMapRef and _is_settings(source, family)), "")


def has_container(deployment: Deployment, container: str) -> bool:
    """Return whether there is such a container."""
    return _container(_template(deployment).spec, container) is not None


def _is_settings(source: EnvFromSource, family: str) -> bool:
    """Return whether it is a configuration of ours: `<family>-<hash>`."""
    return bool(source.configMapRef and re.fullmatch(rf"{re.escape(family)}-[0-9a-f]{{10}}", source.configMapRef.name or ""))


def _template(deployment: Deployment) -> PodTemplateSpec:
    return deployment.spec.template


def _container(spec: PodSpec | None, name: str) -> Container | None:
    return next((container for container in spec.containers if container.name == name), None) if spec else None


def _labels(thing: PodTemplateSpec | Pod) -> Mapping[str, str]:
    return (thing.metadata.labels if thing.metadata else None) or {}
