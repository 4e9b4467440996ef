"""Replicas: the running copies of the service, by colour."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from pydantic import SecretStr

from unioneyes.kernel.problems import Problem, Refused
from unioneyes.ports.traffic import Colour, Weights


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """One running copy."""

    name: str
    colour: Colour
    version: str
    alive: bool
    """True while its process runs."""
    ready: bool
    """True when it answers its liveness address."""
    restarts: int
    """How often it was started again after it ended by itself."""
    ended: str | None = None
    """How it ended by itself the last time, in words: `exit code 137 (OOMKilled)`; None where it never did."""
    since: datetime
    served: bool
    """True once all members were sent to this version on this colour: it is known to work, and can be gone back to."""
    placed: datetime | None = None
    """When this version was put on this colour, kept across restarts; None where nobody knows."""


def incumbent(weights: Weights, replicas: Iterable[Replica]) -> Colour | None:
    """Return the colour whose release the members are used to; None when nothing is deployed.

    Where requests are split, the weights say nothing about that: the newcomer is the one that never served all members, or that was put there later.
    """
    if not weights.split:
        return weights.live
    known = tuple(replicas)

    def seniority(colour: Colour) -> tuple[bool, float, int]:
        own = [replica for replica in known if replica.colour is colour]
        placed = min((replica.placed.timestamp() for replica in own if replica.placed), default=0.0)
        return any(replica.served for replica in own), -placed, weights.of(colour)

    return max(Colour, key=seniority)


def versions_on(colour: Colour, replicas: Iterable[Replica]) -> str | None:
    """Return what runs on `colour`, as people say it: `1.1.0`, or `1.0.0 and 1.1.0` while one takes the place of the other; None where nothing does."""
    return " and ".join(sorted({replica.version for replica in replicas if replica.colour is colour})) or None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicasReady:
    """The wanted number of replicas of the wanted version answers."""

    colour: Colour
    version: str
    count: int
    took: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Rolled:
    """Replicas of a version were put in the place of others on the same colour, and are ready."""

    colour: Colour
    version: str
    new: int
    """Its replicas that stand now."""
    count: int
    """All that the colour should run; one more stands while some are of what was before."""
    took: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Rolling:
    """A colour on which one version takes the place of another, and has not served all members yet."""

    colour: Colour
    version: str
    """What comes."""
    before: str
    """What goes."""
    back: bool
    """True where what comes served before, and is on its way back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One line that a replica logged."""

    at: datetime
    replica: str
    level: str
    """`DEBUG`, `INFO`, `WARNING`, `ERROR` or `CRITICAL`."""
    message: str
    request_id: str | None


class SliceKind(StrEnum):
    """By what the service's requests are told apart."""

    ROUTE = "route"
    TENANT = "tenant"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one replica answered the requests of one route, or of one tenant, since it was started. A count that fell means that it was started again."""

    replica: str
    kind: SliceKind
    name: str
    """`POST /api/claims`, or the tenant's opaque identifier; never anything about its members."""
    answers: int
    errors: int
    """Of them, those with a 5xx."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolUse:
    """How one replica uses its connections to the database."""

    replica: str
    used: int
    """Connections that requests hold now."""
    idle: int
    """Connections that wait for requests."""
    most: int
    """How many it may have."""
    waiting: int
    """Requests that wait for a connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One release that served members, with the configuration it ran with. Source: `kubectl rollout history`."""

    number: int
    """Ascending; never given twice."""
    version: str
    replicas: int
    configuration: dict[str, str]
    """Its settings, as the replicas were started with them; no secrets and no addresses."""
    since: datetime
    """When members first reached it."""
    until: datetime | None
    """When another one took its place; None while it serves."""
    bad: bool
    """True when it was left by a rollback: no way back leads to it by itself."""


class Replicas(Protocol):
    """The service's replicas. Changes are observed first and safe to repeat."""

    def all(self) -> tuple[Replica, ...]:
        """Return every replica of both colours, ordered by name."""

    def start(self, colour: Colour, *, version: str, count: int, within: timedelta, configuration: Mapping[str, str] | None = None) -> ReplicasReady:
        """`colour` runs exactly `count` replicas of `version`, each ready; replicas of another version there are ended first.

        They run with `configuration`, or with what the environment says now; and keep it, whatever the environment says later.
        Raises: NoReadyReplica (with the reason: exit code, last log lines) when they are not ready in time.
        """

    def roll(
        self, colour: Colour, *, version: str, new: int | None = None, within: timedelta, configuration: Mapping[str, str] | None = None, back: bool = False
    ) -> Rolled:
        """So many replicas of `colour` as it runs are of `version`, one put in the place of another at a time; `new` of them, or all where not said.

        Each new one is ready, within `within`, and gets requests before an old one gets none any more and is told to drain. While some are old, one more
        stands than is wanted. They run with `configuration` as in `start`. `back` says that the version comes back, so that nobody takes it for the newer.
        It looks before each replacement, and goes on wherever another roll was left, in whichever direction.
        Raises: NoReadyReplica (with the reason; what stood before serves on), CanNotRoll (nothing was changed).
        """

    def rolling(self, colour: Colour) -> Rolling | None:
        """Return what is being put in the place of what on `colour`, from the order to roll until `mark_served`; None where nothing is."""

    def describe_roll(self, colour: Colour, *, version: str, configuration: Mapping[str, str] | None = None) -> tuple[str, ...]:
        """Return the commands that a person would type for the same. Raises: CanNotRoll."""

    def configuration(self) -> Mapping[str, str]:
        """Return the service's settings as the environment says now; no secrets and no addresses."""

    def describe_start(self, colour: Colour, *, version: str, count: int, configuration: Mapping[str, str] | None = None) -> tuple[str, ...]:
        """Return the commands that a person would type for the same."""

    def mark_served(self, colour: Colour, *, after_rollback: bool = False) -> None:
        """What stands on `colour` has served all members from now on, until another version takes its place; kept across restarts.

        It is the newest revision; with `after_rollback`, the one before it was bad.
        """

    def revisions(self) -> tuple[Revision, ...]:
        """Return what served members so far, newest first."""

    def stop(self, colour: Colour) -> None:
        """`colour` runs nothing: each replica was told to drain, finished what it had, and ended."""

    def describe_stop(self, colour: Colour) -> tuple[str, ...]:
        """Return the commands that a person would type for the same."""

    def start_rehearsal(self, *, version: str, database_url: SecretStr, within: timedelta) -> str:
        """One replica of `version` runs on another database, reached by no member; return its address (http://...).

        Raises: NoReadyReplica.
        """

    def stop_rehearsal(self) -> None:
        """The rehearsal's replica is gone."""

    def logs(self, colour: Colour, *, since: datetime, level: str = "DEBUG") -> tuple[LogLine, ...]:
        """Return what the replicas of `colour` logged since then at `level` or above, oldest first, ended replicas included."""

    def outcomes(self, colour: Colour) -> tuple[Outcome, ...]:
        """Return what the replicas of `colour` counted by route and by tenant; of a replica that does not answer within a second, nothing."""

    def pools(self, colour: Colour) -> tuple[PoolUse, ...]:
        """Return how the replicas of `colour` use their connections; of one that does not answer within a second, or does not say, nothing."""

    def describe_logs(self, colour: Colour) -> tuple[str, ...]:
        """Return the commands that a person would type for the same."""


class NoReadyReplica(Problem):
    """The replicas did not become ready in time."""


class CanNotRoll(Refused):
    """What stands on the colour can't be replaced replica by replica; nothing was changed."""
