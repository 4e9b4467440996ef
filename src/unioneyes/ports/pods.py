"""Pods: what the service runs in, one by one, as a person looks at them, reads their logs, restarts them, and goes into one.

Source: "Appendix: Emergency Commands". On a cluster they are Kubernetes' pods; on one machine each replica's process stands for one.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from unioneyes.kernel.problems import NotFound, Refused
from unioneyes.ports.replicas import LogLine
from unioneyes.ports.traffic import Colour

OOM_KILLED = "OOMKilled"
"""Why a pod ended that was ended because it held more memory than it may. Source: Kubernetes, "Assign Memory Resources to Containers and Pods"."""


class Phase(StrEnum):
    """Where a pod is in its life. Source: Kubernetes, "Pod lifecycle"."""

    PENDING = "Pending"
    """Accepted; not everything that it needs is there."""
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    """Ended well, and is not started again."""
    FAILED = "Failed"
    """Ended badly, and is not started again."""
    UNKNOWN = "Unknown"
    """Its node does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a pod ended, the last time that it did so by itself."""

    reason: str
    """`OOMKilled`, `Error`, `Completed`, or another word of whoever ran it."""
    exit_code: int | None
    """128 and the signal's number where a signal ended it; None where nobody knows."""
    at: datetime | None
    message: str = ""
    """What it said last, in one line."""

    def __str__(self) -> str:
        """Return it as people read it: `OOMKilled, exit code 137`."""
        code = "" if self.exit_code is None else f", exit code {self.exit_code}"
        return f"{self.reason}{code}{f': {self.message}' if self.message else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """One pod."""

    name: str
    colour: Colour
    version: str
    image: str
    """What it was started from, by its digest: `unioneyes-web@sha256:...`."""
    phase: Phase
    waits: str | None
    """Why it does not run: `CrashLoopBackOff`, `ImagePullBackOff`, `Unschedulable`; `Terminating` of one that ends. None of one that simply runs."""
    ready: bool
    """True while it gets requests."""
    restarts: int
    """How often it was started again after it ended by itself."""
    since: datetime
    """When it was started the last time; of a cluster's pod, when it was made."""
    node: str | None
    """The machine that it runs on; None of one that runs nowhere yet."""
    last_end: Ended | None
    """None of one that never ended by itself."""
    cpu: float | None
    """Cores that it uses now; None where nobody measures."""
    memory: int | None
    """Bytes that it holds now."""
    memory_limit: int | None
    """Bytes above which it is refused more, or ended; None where it has none."""

    @property
    def state(self) -> str:
        """The one word that `kubectl get pods` shows for it."""
        return self.waits or self.phase.value


@dataclass(frozen=True, slots=True, kw_only=True)
class PodEvent:
    """Something that happened to a pod, as whoever runs it tells it."""

    at: datetime
    warning: bool
    reason: str
    """`Started`, `BackOff`, `Unhealthy`, ..."""
    message: str
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class PodDetails:
    """Everything of one pod that is no secret."""

    pod: Pod
    address: str
    """Where it answers."""
    command: tuple[str, ...]
    """Empty where the image says it."""
    settings: dict[str, str]
    """Its environment variables, without any that holds a secret."""
    secrets: tuple[str, ...]
    """What it is given in secret, by name or place; never what it is."""
    readiness: str
    """What makes it ready, in words."""
    events: tuple[PodEvent, ...]
    """The last ones, oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Between how many pods an autoscaler chooses."""

    least: int
    most: int

    def __str__(self) -> str:
        """Return them as people read them: `2 to 10`."""
        return f"{self.least} to {self.most}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Autoscaler:
    """What else decides on the number of a colour's pods."""

    name: str
    bounds: Bounds
    own: Bounds | None
    """Its own bounds while a person holds it; None while it decides by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How many pods a colour should have, and who else has a say in it."""

    count: int
    autoscaler: Autoscaler | None
    """None where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resized:
    """The colour has so many pods, each ready, and no more."""

    size: Size
    took: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class PodsRestarted:
    """No pod of the colour is older than the order; each is ready."""

    pods: tuple[str, ...]
    """Those that run now."""
    took: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellWay:
    """How a person gets a shell in a pod: what is typed, and where. Whoever types it brings terminal and rights of their own."""

    pod: str
    argv: tuple[str, ...]
    node: str | None
    """The one machine where that can be typed; None where it can be typed anywhere."""
    folder: str | None = None
    """Where it begins; None where it does not matter."""
    environment: dict[str, str] | None = None
    """All that it gets of environment variables, beside the terminal's; None: those of whoever types it."""
    secrets_left_out: tuple[str, ...] = ()
    """Names of the pod's variables that it does not get, because they hold secrets."""
    otherwise: str = ""
    """What a person types where the pod has no such program; empty where it always has."""


class Pods(Protocol):
    """The service's pods. Changes are observed first and safe to repeat; members lose no request by them."""

    def all(self) -> tuple[Pod, ...]:
        """Return every pod of both colours, ordered by name. Raises: Unavailable."""

    def details(self, name: str) -> PodDetails:
        """Return everything of one pod that is no secret. Raises: NoSuchPod, Unavailable."""

    def logs(self, *, pods: tuple[str, ...], last: int, since: datetime | None = None, previous: bool = False) -> tuple[LogLine, ...]:
        """Return the `last` lines that these pods logged since then, oldest first; with `previous`, what each logged before it was started again.

        Raises: NoSuchPod, Unavailable.
        """

    def follow(self, *, pods: tuple[str, ...], last: int, since: datetime | None = None) -> Generator[LogLine | None, None, None]:
        """Yield the same lines, then those that come; None at least once a second while none comes. Never ends by itself while one of the pods is there.

        A pod that is started again is followed on. Whoever has enough closes it. Raises, then too: NoSuchPod, Unavailable.
        """

    def restart(self, colour: Colour, *, ordered: datetime, within: timedelta, meanwhile: Callable[[str], None]) -> PodsRestarted:
        """No pod of `colour` was started before `ordered`: they were started anew one by one, each ready before the next, and never fewer ready than before.

        The same release, with the configuration that it has. `within` is how long each pod may take. `meanwhile` is told of each pod; whatever it raises
        ends that, between two pods. Raises: NoReadyReplica (those that were not restarted yet serve on), Unavailable.
        """

    def describe_restart(self, colour: Colour) -> tuple[str, ...]:
        """Return the commands that a person would type for the same."""

    def size(self, colour: Colour) -> Size:
        """Return how many pods `colour` should have; 0 where nothing was put there. Raises: Unavailable."""

    def resize(self, colour: Colour, size: Size, *, within: timedelta) -> Resized:
        """`colour` has so many pods of what it runs, each ready, and its autoscaler is bound so; those that went had finished what they had.

        Raises: NoReadyReplica, NoSuchAutoscaler (nothing was changed), Unavailable.
        """

    def describe_resize(self, colour: Colour, *, before: Size, size: Size) -> tuple[str, ...]:
        """Return the commands that a person would type to make it `size`, where it is `before`."""

    def shell(self, name: str, *, terminal: bool) -> ShellWay:
        """Return how a person gets a shell in a pod that runs: with a `terminal`, or reading what is piped in.

        Raises: NoSuchPod, PodNotRunning, Unavailable.
        """


class NoSuchPod(NotFound):
    """No pod has this name."""


class PodNotRunning(Refused):
    """The pod does not run, so nobody can go into it."""


class NoSuchAutoscaler(Refused):
    """There is no autoscaler to hold, or another one than there was."""
