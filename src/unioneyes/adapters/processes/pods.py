"""Pods on one machine: each replica's process stands for one."""

from __future__ import annotations

import platform
import shlex
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from unioneyes.adapters.processes.following import follow
from unioneyes.adapters.processes.layout import COLOUR, VERSION, ReplicaSlot
from unioneyes.adapters.processes.lives import events, last_end, previous_life
from unioneyes.adapters.processes.logs import read_tail
from unioneyes.adapters.processes.replicas import LocalReplicas, typed
from unioneyes.adapters.processes.spec import Exec, ProcessSpec, ProcessState, ProcessStatus, Readiness, TcpHttp, TcpOpen, UnixHttp
from unioneyes.adapters.processes.usage import Usage, usage
from unioneyes.kernel.logged import Entry
from unioneyes.kernel.redaction import Redactor
from unioneyes.kernel.variables import handed_on
from unioneyes.ports.pods import NoSuchAutoscaler, NoSuchPod, Phase, Pod, PodDetails, PodNotRunning, PodsRestarted, Resized, ShellWay, Size
from unioneyes.ports.replicas import LogLine
from unioneyes.ports.traffic import Colour

_PHASES: Mapping[ProcessState, tuple[Phase, str | None]] = {
    ProcessState.WAITING: (Phase.PENDING, None),
    ProcessState.STARTING: (Phase.RUNNING, None),
    ProcessState.READY: (Phase.RUNNING, None),
    ProcessState.UNREADY: (Phase.RUNNING, None),
    ProcessState.BACKING_OFF: (Phase.RUNNING, "CrashLoopBackOff"),
    ProcessState.ENDED: (Phase.FAILED, None),
    ProcessState.STOPPING: (Phase.RUNNING, "Terminating"),
}
"""What Kubernetes calls the supervisor's states, and why such a pod does not run."""
_SHELL = ("bash", "--noprofile", "--norc")
_BY_FILE = "_FILE"
"""Ends the name of a setting that says in which file a secret stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalPods:
    """The replicas' processes, looked at and restarted one by one."""

    replicas: LocalReplicas
    image: Callable[[str], str]
    """What a version is started from, by its digest."""
    marks: frozenset[str] = frozenset()
    """Variables by which the environment knows its own processes: a person's shell is none of them."""

    def all(self) -> tuple[Pod, ...]:
        """Return every pod of both colours, ordered by name. Raises: SupervisorUnavailable."""
        present = self.replicas.present()
        used = usage(status.pid for status in present if status.pid is not None)
        specs = self._specs()
        return tuple(self._pod(status, specs.get(status.name), used.get(status.pid or 0)) for status in present)

    def details(self, name: str) -> PodDetails:
        """Return everything of one pod that is no secret. Raises: NoSuchPod, SupervisorUnavailable."""
        pod = next((pod for pod in self.all() if pod.name == name), None)
        if pod is None:
            raise self._unknown(name)
        status, slot = self._status(name), next((slot for slot in self._slots() if slot.name == name), None)
        spec = None if slot is None else self.replicas.command(slot)
        shown, _ = ({}, ()) if spec is None else _without_secrets(spec.env)
        return PodDetails(
            pod=pod,
            address="" if slot is None else f"unix:{slot.socket}",
            command=() if spec is None else tuple(Redactor()(word) for word in spec.argv),
            settings=shown,
            secrets=() if spec is None else tuple(f"{name}={value}" for name, value in sorted(spec.env.items()) if name.endswith(_BY_FILE)),
            readiness="" if spec is None else _in_words(spec.ready),
            events=events(status.log),
        )

    def logs(self, *, pods: tuple[str, ...], last: int, since: datetime | None = None, previous: bool = False) -> tuple[LogLine, ...]:
        """Return the `last` lines that these pods logged since then, oldest first; with `previous`, what each logged before it was started again.

        Raises: NoSuchPod, SupervisorUnavailable.
        """
        found: list[LogLine] = []
        for name in pods:
            log = self._status(name).log
            entries = previous_life(log) if previous else read_tail(log, lines=last, since=since)
            found += [_line(name, entry) for entry in entries if since is None or entry.at >= since]
        return tuple(sorted(found, key=lambda line: line.at)[-last:])

    def follow(self, *, pods: tuple[str, ...], last: int, since: datetime | None = None) -> Generator[LogLine | None, None, None]:
        """Yield the same lines, then those that come; None at least once a second while none comes. Raises, then too: NoSuchPod, SupervisorUnavailable."""
        logs = {self._status(name).log: name for name in pods}

        def some_are_there() -> bool:
            return bool({status.name for status in self.replicas.present()} & set(pods))

        followed = follow(tuple(logs), last=last, since=since, while_there=some_are_there)
        return (None if found is None else _line(logs[found[0]], found[1]) for found in followed)

    def restart(self, colour: Colour, *, ordered: datetime, within: timedelta, meanwhile: Callable[[str], None]) -> PodsRestarted:
        """No pod of `colour` was started before `ordered`: they were started anew one by one, each ready before the next, and never fewer ready than before.

        One more than usual runs meanwhile, so that the others are no busier than before. Raises: NoReadyReplica, SupervisorUnavailable.
        """
        started = time.monotonic()
        self.replicas.restart(colour, ordered=ordered, within=within, told=meanwhile)
        return PodsRestarted(pods=tuple(slot.name for slot in self.replicas.slots(colour)), took=timedelta(seconds=time.monotonic() - started))

    def describe_restart(self, colour: Colour) -> tuple[str, ...]:
        """Return the commands that a person would type for the same."""
        slots = self.replicas.slots(colour)
        extra = self.replicas.slots(colour, count=len(slots) + 1)[-1:]
        replaced = (line for slot in slots for line in (self.replicas.supervisor.describe_stop((slot.name,)), self._typed(slot)))
        return (*map(self._typed, extra), *replaced, self.replicas.supervisor.describe_stop(slot.name for slot in extra))

    def size(self, colour: Colour) -> Size:
        """Return how many pods `colour` should have; 0 where nothing was put there. Nothing scales by itself here."""
        return Size(count=len(self.replicas.slots(colour)), autoscaler=None)

    def resize(self, colour: Colour, size: Size, *, within: timedelta) -> Resized:
        """`colour` has so many pods of what it runs, each ready. Raises: NoReadyReplica, NoSuchAutoscaler (nothing was changed), SupervisorUnavailable."""
        started = time.monotonic()
        if size.autoscaler is not None:
            raise NoSuchAutoscaler(what=f"nothing scales {colour} by itself here", remedy="name a number: ue app scale N")
        self.replicas.resize(colour, size.count, within=within)
        return Resized(size=size, took=timedelta(seconds=time.monotonic() - started))

    def describe_resize(self, colour: Colour, *, before: Size, size: Size) -> tuple[str, ...]:
        """Return the commands that a person would type to make it `size`, where it is `before`."""
        slots = self.replicas.slots(colour, count=max(before.count, size.count))
        fewer = [slot.name for slot in slots[size.count :]]
        more = slots[before.count : size.count]
        return (*map(self._typed, more), *((self.replicas.supervisor.describe_stop(fewer),) if fewer else ()))

    def shell(self, name: str, *, terminal: bool) -> ShellWay:
        """Return how a person gets a shell beside a pod's process: as its user, in its folder, with its settings but for those that hold a secret.

        Raises: NoSuchPod, PodNotRunning, SupervisorUnavailable.
        """
        status, slot = self._status(name), next((slot for slot in self._slots() if slot.name == name), None)
        if not status.alive or slot is None:
            raise PodNotRunning(what=f"{name} does not run: it is {status.state}", remedy=f"ue app logs {name} --previous says why")
        spec = self.replicas.command(slot)
        shown, left_out = _without_secrets(spec.env)
        return ShellWay(
            pod=name,
            argv=(*_SHELL, "-i") if terminal else _SHELL,
            node=platform.node(),
            folder=str(spec.cwd),
            environment={**handed_on(), **{each: value for each, value in shown.items() if each not in self.marks}, "PS1": f"({name}) \\w \\$ "},
            secrets_left_out=left_out,
        )

    def _pod(self, status: ProcessStatus, spec: ProcessSpec | None, used: Usage | None) -> Pod:
        colour, version = Colour(status.labels[COLOUR]), status.labels[VERSION]
        phase, waits = _PHASES[status.state]
        completed = status.state is ProcessState.ENDED and status.last_exit == 0
        return Pod(
            name=status.name,
            colour=colour,
            version=version,
            image=self.image(version),
            phase=Phase.SUCCEEDED if completed else phase,
            waits=waits,
            ready=status.ready,
            restarts=status.restarts,
            since=status.since,
            node=platform.node(),
            last_end=last_end(status.log, code=status.last_exit),
            cpu=None if used is None else used.cpu,
            memory=None if used is None else used.memory,
            memory_limit=None if spec is None else spec.memory,
        )

    def _status(self, name: str) -> ProcessStatus:
        """Return the pod's process. Raises: NoSuchPod, SupervisorUnavailable."""
        found = next((status for status in self.replicas.present() if status.name == name), None)
        if found is None:
            raise self._unknown(name)
        return found

    def _unknown(self, name: str) -> NoSuchPod:
        known = ", ".join(status.name for status in self.replicas.present())
        return NoSuchPod(what=f"there is no pod called {name!r}", remedy=f"one of: {known}" if known else "nothing is deployed: ue deploy start VERSION")

    def _slots(self) -> tuple[ReplicaSlot, ...]:
        """Return the place of everything that should run, and of the one more that runs while others are restarted."""
        return tuple(slot for colour in Colour for slot in self.replicas.slots(colour, count=len(self.replicas.slots(colour)) + 1))

    def _specs(self) -> Mapping[str, ProcessSpec]:
        return {slot.name: self.replicas.command(slot) for slot in self._slots()}

    def _typed(self, slot: ReplicaSlot) -> str:
        return typed(self.replicas.command(slot))


def _line(pod: str, entry: Entry) -> LogLine:
    return LogLine(at=entry.at, replica=pod, level=entry.level, message=entry.message, request_id=entry.request_id)


def _without_secrets(settings: Mapping[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the settings that hold no secret, and the names of those that do."""
    redact = Redactor()
    shown = {name: value for name, value in settings.items() if redact(f"{name}={value}") == f"{name}={value}"}
    return dict(sorted(shown.items())), tuple(sorted(settings.keys() - shown.keys()))


def _in_words(ready: Readiness | None) -> str:
    match ready:
        case None:
            return "as soon as it runs"
        case UnixHttp(_, url):
            return f"GET {url} is answered with success"
        case TcpHttp(_, port, path):
            return f"GET {path} on port {port} is answered with success"
        case TcpOpen(_, port):
            return f"port {port} takes connections"
        case Exec(argv):
            return f"{shlex.join(argv)} ends with 0"
