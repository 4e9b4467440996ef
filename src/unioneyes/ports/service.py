"""The service, as its users reach it: health, probes and end-to-end flows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar, Protocol

from unioneyes.kernel.problems import Problem, Unavailable
from unioneyes.ports.traffic import Colour


class HealthStatus(StrEnum):
    """What the service says of itself."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheck:
    """One line of a health report."""

    name: str
    status: HealthStatus
    response_time: timedelta
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """`GET /api/health`."""

    status: HealthStatus
    version: str
    uptime: timedelta
    checks: tuple[HealthCheck, ...]
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One synthetic request that a member could have made."""

    at: datetime
    ok: bool
    """False for a 5xx, a time-out or a cut connection."""
    status: int | None
    """HTTP status; None when no answer came."""
    took: timedelta
    version: str | None
    """The version that answered; None when it did not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SmokeCheck:
    """One flow of the smoke tests."""

    name: str
    ok: bool
    took: timedelta
    detail: str = ""
    """What was wrong, for a person; empty when ok."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SmokeReport:
    """The smoke tests' result: every flow that was tried."""

    url: str
    version: str | None
    checks: tuple[SmokeCheck, ...]
    took: timedelta

    @property
    def passed(self) -> bool:
        """True when at least one flow ran and all that ran passed."""
        return bool(self.checks) and all(check.ok for check in self.checks)

    @property
    def failures(self) -> tuple[SmokeCheck, ...]:
        """The flows that failed."""
        return tuple(check for check in self.checks if not check.ok)


class Service(Protocol):
    """The operated service. `via=None` is the way members take; a colour is reached through its preview route."""

    def url(self, via: Colour | None = None) -> str:
        """Return the address."""

    def health(self, via: Colour | None = None) -> Health:
        """Return the health report, also an unhealthy one. Raises: ServiceUnavailable when none comes."""

    def probe(self, via: Colour) -> Probe:
        """Make one synthetic request; a failure is a result, not an error. At most 10 s."""

    def smoke(self, *, url: str | None = None, via: Colour | None = None, within: timedelta) -> SmokeReport:
        """Run the service's own end-to-end flows against `url`, or `via` a colour. Failures are results.

        Raises: SmokeUnavailable when the tests themselves could not run.
        """

    def describe_smoke(self, via: Colour | None = None) -> tuple[str, ...]:
        """Return the commands that a person would type for the same."""


class ServiceUnavailable(Unavailable):
    """The service gave no health report."""


class SmokeUnavailable(Problem):
    """The smoke tests could not be run, so nothing is known."""

    http_status: ClassVar[int] = 503
