"""The health report as the service writes it, read at the edge."""

from __future__ import annotations

from datetime import UTC, timedelta

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from unioneyes.ports.service import Health, HealthCheck, HealthStatus


class _Check(BaseModel):
    model_config = ConfigDict(frozen=True)

    name: str
    status: HealthStatus
    response_time: float = Field(alias="responseTime", ge=0)
    """Milliseconds."""
    error: str | None = None

    def value(self) -> HealthCheck:
        return HealthCheck(name=self.name, status=self.status, response_time=timedelta(milliseconds=self.response_time), error=self.error)


class HealthDocument(BaseModel):
    """`GET /api/health`. Members that we don't know are the service's own business."""

    model_config = ConfigDict(frozen=True)

    status: HealthStatus
    timestamp: AwareDatetime
    uptime: float = Field(ge=0)
    """Seconds."""
    version: str
    checks: tuple[_Check, ...]

    def value(self) -> Health:
        """Return the report as the port's value."""
        return Health(
            status=self.status,
            version=self.version,
            uptime=timedelta(seconds=self.uptime),
            checks=tuple(check.value() for check in self.checks),
            at=self.timestamp.astimezone(UTC),
        )
