"""What is shown of deployments: the same values for the API, the command line and the console."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from unioneyes.kernel.problems import ProblemDocument
from unioneyes.kernel.status import Look, RunStatus
from unioneyes.ports.pods import Pod
from unioneyes.ports.replicas import Replica
from unioneyes.ports.traffic import Colour
from unioneyes.runbook.phases import PhaseView
from unioneyes.runbook.views import Decision, LockView


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentView:
    """One deployment."""

    run_id: str
    version: str
    previous: str | None
    colour: Colour | None
    """Where the new version stands, or will; None when that isn't known."""
    status: RunStatus
    words: str
    """The document's status words: `DEPLOYED`, `FAILED - ROLLED BACK`, ..."""
    outcome: str
    """One line more: what it came to, or why it failed; empty while it runs."""
    requested_by: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    phases: tuple[PhaseView, ...]
    rollback_takes: timedelta | None
    """How long going back would take, as probed during the watch; None when it isn't known or can't be done."""
    watch_left: timedelta | None
    """How long the watch still goes on; None outside it."""
    problem: ProblemDocument | None
    rollback_not_ready_since: datetime | None = None
    """Since when nobody could go back; None while the way back is open, or when that isn't known."""
    question: str | None = None
    """What the deployment waits for while it is held: a person's answer, or a line that is open again; None while it goes on."""
    choices: tuple[Decision, ...] = ()
    """What a person may decide now."""

    @property
    def look(self) -> Look:
        """Icon, the status words, and tone."""
        return Look(self.status.look.icon, self.words, self.status.look.tone)


@dataclass(frozen=True, slots=True, kw_only=True)
class ColourStatus:
    """One colour, and what members saw of it in the last seconds. None: no data, which is not zero."""

    colour: Colour
    version: str | None
    replicas: int | None
    ready: int | None
    weight: int | None
    """Share of new requests, in percent."""
    requests_per_s: float | None
    error_rate: float | None
    """Share of answers with 5xx, 0-1; None also when there were no answers."""
    p99_ms: float | None
    restarts: int | None = None
    """How often its replicas were started again after they ended by themselves, together."""
    cpu: float | None = None
    """Cores that they use together; None where that is not known of each."""
    memory: int | None = None
    """Bytes that they hold together; None where that is not known of each."""
    memory_share: float | None = None
    """Of what the fullest replica may hold at most, how much it holds, 0-1; None where none has a limit, or nobody measures."""

    @classmethod
    def of(cls, colour: Colour, *, replicas: Sequence[Replica] | None, weight: int | None, pods: Sequence[Pod] | None) -> ColourStatus:
        """Return how `colour` stands by these readings of it; None for one that nobody could take."""
        cpu, memory = [pod.cpu for pod in pods or () if pod.cpu is not None], [pod.memory for pod in pods or () if pod.memory is not None]
        shares = [pod.memory / pod.memory_limit for pod in pods or () if pod.memory is not None and pod.memory_limit]
        return cls(
            colour=colour,
            version=replicas[0].version if replicas else None,
            replicas=None if replicas is None else len(replicas),
            ready=None if replicas is None else sum(replica.ready for replica in replicas),
            weight=weight,
            requests_per_s=None,
            error_rate=None,
            p99_ms=None,
            restarts=None if pods is None else sum(pod.restarts for pod in pods),
            cpu=sum(cpu) if pods and len(cpu) == len(pods) else None,
            memory=sum(memory) if pods and len(memory) == len(pods) else None,
            memory_share=max(shares, default=None),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PodEnd:
    """A pod ended by itself: nobody told it to."""

    pod: str
    colour: Colour
    version: str
    restarts: int
    """How often it had been started again when that was seen."""
    at: datetime
    """When it ended; when that was seen, where nobody knows."""
    reason: str
    """`OOMKilled` where it was ended because it held more memory than it may; `Error`, `Completed`, or another word of whoever ran it."""
    how: str
    """The same in words: with the exit code, and what it said last."""

    def __str__(self) -> str:
        """Return it in one line."""
        return f"{self.pod} ({self.version}) ended by itself: {self.how}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentStatus:
    """What is deployed, and what is being deployed."""

    environment: str
    service: str
    at: datetime
    serving: str | None
    """The version that members reach."""
    maintenance: bool | None
    colours: tuple[ColourStatus, ...]
    current: DeploymentView | None
    """The deployment under way, else the last one; None when there never was one."""
    lock: LockView | None
    unavailable: tuple[str, ...]
    """What could not be read just now."""
    ended: tuple[PodEnd, ...] = ()
    """Pods that ended by themselves in the last quarter of an hour, newest first."""
