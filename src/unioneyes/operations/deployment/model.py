"""What a deployment is asked for, what it plans, and what it shows for itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import ClassVar, Literal

from pydantic.main import IncEx

from unioneyes.kernel.status import RunStatus
from unioneyes.operations.deployment.checklist import refuse_if_blocked
from unioneyes.ports.checklist import Gate
from unioneyes.ports.database import Migration
from unioneyes.ports.environment import NoData
from unioneyes.ports.replicas import SliceKind
from unioneyes.ports.runs import RolledBack
from unioneyes.ports.service import SmokeReport
from unioneyes.ports.traffic import Colour, Counters
from unioneyes.runbook.plan import Plan
from unioneyes.runbook.views import Decision

ALL = 100
"""The share of all requests, in percent."""


class Strategy(StrEnum):
    """How the new release takes the place of the old one."""

    BLUE_GREEN = "blue-green"
    """Both stand side by side, and all traffic moves at once."""
    ROLLING = "rolling"
    """Replica by replica, on the colour that serves: one more than usual stands meanwhile, and not twice as many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployRequest:
    """Deploy a release (`deployment.start`)."""

    version: str
    """Version to deploy, as `ue release list` names it."""
    strategy: Strategy = Strategy.BLUE_GREEN
    """How the new release takes the place of the old one."""
    migrate: bool = False
    """Apply the release's pending migrations, after a verified backup."""
    maintenance: bool = False
    """Answer 503 with Retry-After while the migrations run."""
    bake: timedelta | None = None
    """How long to watch after the switch; the environment's own (10m) when not given."""
    canary: tuple[int, ...] = ()
    """Shares of the requests, in percent, that the new release gets before it gets all: rising, such as 10,50. Each is watched. Rolling: of the replicas."""
    canary_bake: timedelta | None = None
    """How long to watch at each share; a quarter of the whole watch when not given."""
    hold: bool = False
    """After each share that was kept, wait for a person: ue deploy promote."""
    no_data: NoData | None = None
    """What a watch without enough data comes to: hold for a person, or back; the environment's own (back) when not given."""
    auto_rollback: bool = True
    """Go back by itself when the watch or the verification says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standby:
    """The previous version, kept warm so that the members can go back to it."""

    colour: Colour
    version: str
    replicas: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployPlan(Plan):
    """Everything that a deployment will do."""

    version: str
    previous: str | None
    """The version that serves now; None for the first deployment."""
    colour: Colour
    """Where the new version will stand: with `rolling`, where the old one stands."""
    replicas: int
    ready_within: timedelta
    configuration: dict[str, str]
    """The service's settings that its replicas are started with."""
    migrations: tuple[Migration, ...]
    """The pending ones, in order, each with the text that is applied, and that takes it back."""
    backup: bool
    """True when a verified backup is taken before them."""
    maintenance: bool
    bake: timedelta
    auto_rollback: bool
    gates: tuple[Gate, ...]
    """The pre-deployment checklist, answered."""
    canary: tuple[int, ...] = ()
    """Shares of the requests, in percent, that the new version gets before it gets all."""
    canary_bake: timedelta = timedelta(0)
    """How long each of them is watched."""
    hold: bool = False
    no_data: NoData = NoData.BACK
    warm: int = 0
    """Replicas that the previous version serves with, and is kept warm with."""
    strategy: Strategy = Strategy.BLUE_GREEN
    way_back: dict[str, str] | None = None
    """The settings that the previous version serves with, and comes back with; None where it stays where it is."""
    unsigned: ClassVar[Mapping[str, IncEx | bool]] = MappingProxyType({"readings": True, "gates": {"__all__": {"detail", "remedy", "read"}}})
    """A gate's words name what is volatile, such as how many replicas are ready just now: what is signed is that it is open, or waived. The file that it
    is read from stands in `content`, and is signed there."""

    def require_open(self) -> None:
        """Return when no gate of the checklist blocks. Raises: ChecklistBlocks."""
        refuse_if_blocked(self.gates)

    @property
    def digest(self) -> str:
        """Of the release."""
        return self.content[called(self.version)]

    @property
    def live(self) -> Colour | None:
        """Where the previous version serves; None for the first deployment."""
        if self.previous is None:
            return None
        return self.colour if self.strategy is Strategy.ROLLING else self.colour.other

    @property
    def shares(self) -> tuple[int, ...]:
        """Every share that the new version gets, in order; the last one is all."""
        return (*self.canary, ALL)

    @property
    def standby(self) -> Standby | None:
        """The previous version on the colour that gets no members: to go back to, or, with `rolling`, to be compared with. None for the first deployment."""
        if self.previous is None:
            return None
        return Standby(colour=self.colour.other, version=self.previous, replicas=1 if self.strategy is Strategy.ROLLING else self.warm)


def called(version: str) -> str:
    """Return what people call what is started."""
    return f"release {version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The state of the data plane when the deployment began."""

    at: datetime
    counters: Counters


@dataclass(frozen=True, slots=True, kw_only=True)
class Failing:
    """A route, or a tenant, in which a version failed more than a handful of times."""

    kind: SliceKind
    name: str
    failures: int
    answers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Switched:
    """The new version gets its share of the new requests."""

    at: datetime
    took: timedelta
    before: Counters
    """The data plane's counters from which the watch counts: just before a switch of colours, and behind the last replica that was replaced."""
    share: int = ALL
    """Percent of the new requests that reach it."""
    revision: str
    """Of the routes, as the switch left them."""
    failing: tuple[Failing, ...] = ()
    """Where the old version failed, as those of its replicas counted it that were replaced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixed:
    """Two versions whose replicas stand on one colour."""

    new: str
    old: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchTarget:
    """What is kept watch over, beside what, and who is told."""

    new: Colour
    share: int
    """Percent of the new requests that reach it."""
    old: Standby | None
    """None where there is no old version."""
    revision: str
    """Of the routes, as the deployment left them."""
    channel: str
    """Where people are told when the way back is lost."""
    mixed: Mixed | None = None
    """The versions, where the replicas of both stand on the new colour; then there is no old one elsewhere."""
    back_takes: timedelta | None = None
    """What going back takes, by what coming took; None where it can be tried."""
    failing: tuple[Failing, ...] = ()
    """Where the old version failed before."""

    @property
    def split(self) -> bool:
        """True while both versions get members."""
        return self.share < ALL


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """The migrations and their way back were tried on the restored copy, with the previous release running on it."""

    applied: tuple[str, ...]
    previous: SmokeReport | None
    """The previous release's smoke tests on the new schema; None when there is no previous release."""
    way_back: bool
    """True when the rollback files took the schema back to what it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What was seen of one colour during the watch, members and probes together."""

    answers: int
    errors: int
    """Answers with 5xx, and probes without an answer."""
    slow: int
    """Answers slower than 2000 ms."""
    p99_ms: float | None
    """None when there were no answers."""
    hampered: int = 0
    """Probes slower than 500 ms."""

    @property
    def error_rate(self) -> float | None:
        """Share of failed requests, 0-1; None when there were none."""
        return self.errors / self.answers if self.answers else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """The new release serves as well as the old one did."""

    reason: str
    outcome: Literal["keep"] = "keep"


@dataclass(frozen=True, slots=True, kw_only=True)
class RollBack:
    """The new release harms its users, and the old one does not."""

    reason: str
    outcome: Literal["roll-back"] = "roll-back"


@dataclass(frozen=True, slots=True, kw_only=True)
class NotEnoughData:
    """Nothing can be said; that is not `keep`."""

    reason: str
    outcome: Literal["not-enough-data"] = "not-enough-data"


Verdict = Keep | RollBack | NotEnoughData


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSeen:
    """One rule of a watch, and the numbers on which it decided."""

    rule: str
    """`errors`, `slow`, `health`, ..., or a route or tenant that was suspected: `tenant org_a`."""
    counts: bool
    """True when the figures are counts; else they are shares, 0-1."""
    new: float | None
    """Of the new version; None when nothing was seen."""
    old: float | None
    """Of the old one on the same window; None when there is none, or nothing was seen."""
    limit: float
    """What is allowed at most."""
    evidence: float | None
    """Against the new version, as the power of ten; None for a rule that gathers none."""
    threshold: float | None
    """At which the evidence would be enough."""
    convicts: bool
    note: str
    """What else a reader must know, such as why it does not convict; empty where nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """The watch's end."""

    verdict: Verdict
    new: Figures
    old: Figures | None
    took: timedelta
    detected_at: datetime | None
    """When the verdict to roll back was reached."""
    share: int = ALL
    """Percent of the requests that the new version got meanwhile."""
    evidence: tuple[RuleSeen, ...] = ()
    """The numbers behind the verdict."""
    not_ready_since: datetime | None = None
    """Since when the old version could not be gone back to, at the end of the watch; None when it could."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A person was waited for, and the new version was watched meanwhile."""

    decision: Decision | None
    """What the person decided; None when something else ended the hold."""
    harm: str | None
    """Why the members must go back, where that was seen meanwhile."""
    at: datetime
    counters: Counters | None
    """The data plane's counters then, from which a further watch begins; None when it did not answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """The post-deployment verification, line by line."""

    checks: tuple[Gate, ...]

    @property
    def passed(self) -> bool:
        """True when no check blocks."""
        return not any(check.state.blocks for check in self.checks)

    @property
    def failures(self) -> str:
        """What failed, in one line."""
        return "; ".join(f"{check.title}: {check.detail}" for check in self.checks if check.state.blocks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """How long one step took."""

    step: str
    took: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedBy:
    """How many answers one version gave during the deployment, as the data plane counted them."""

    version: str
    colour: Colour
    answers: int
    errors: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What a deployment shows for itself: measured, not planned."""

    version: str
    previous: str | None
    colour: Colour
    ends_as: RunStatus
    outcome: str
    """One line: `1.1.0 serves all traffic`, or `FAILED - ROLLED BACK: ...`."""
    requests: int | None
    """Answers that members got during the deployment; None when the data plane did not say, which is not zero."""
    lost: int | None
    """Of them, those with a 5xx that was not maintenance."""
    slowest_ms: float | None
    """Upper bound of the slowest answer's histogram bucket."""
    served_by: tuple[ServedBy, ...]
    switch_took: timedelta | None
    watched: Watched | None
    """The last watch, which decided."""
    verified: Verified | None
    rolled_back: RolledBack | None
    backup: str | None
    migrations: tuple[str, ...]
    """Those that it applied, and that stand."""
    waived: tuple[str, ...]
    """Names of the gates that the policy waived, with its reasons."""
    phases: tuple[Phase, ...]
    canary: tuple[Watched, ...] = ()
    """The watches before the last one: at smaller shares, or before a person had it watched again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyRequest:
    """Verify what serves now (`deployment.verify`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyPlan(Plan):
    """What is verified."""

    version: str
    colour: Colour
    since: datetime
    """Since when its logs count."""
    answers: int
    """Answers it has given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyResult:
    """The verification, line by line."""

    version: str
    colour: Colour
    checks: tuple[Gate, ...]
    ends_as: RunStatus
