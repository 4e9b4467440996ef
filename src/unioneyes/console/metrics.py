"""What Prometheus scrapes of the control plane: `GET /metrics`, with the token as its bearer token."""

from __future__ import annotations

from collections.abc import Iterator

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.responses import Response

from unioneyes.console.control import Control, Parts
from unioneyes.console.guard import Admitted
from unioneyes.runbook.audit.views import AuditStatus

router = APIRouter()


@router.get("/metrics", include_in_schema=False)
def show_metrics(control: Parts, by: Admitted) -> Response:
    """Return every metric, as of now."""
    del by
    registry = CollectorRegistry()
    registry.register(ControlMetrics(control))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


class ControlMetrics(Collector):
    """Asks the control plane's parts when it is scraped."""

    def __init__(self, control: Control) -> None:
        """Ask `control`."""
        self._audit = control.engine.audit

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the metrics."""
        yield from audit_metrics(self._audit.status())


def audit_metrics(status: AuditStatus) -> Iterator[GaugeMetricFamily]:
    """Yield where the audit log is. The lag is what to alert on: it grows when nothing is sealed, and when the witness keeps nothing."""
    yield GaugeMetricFamily("ue_audit_sealing_lag_seconds", "How long the oldest audit entry waits that no checkpoint covers", value=status.lag_seconds)
    entries = GaugeMetricFamily("ue_audit_entries", "Audit entries: in the tree, waiting for it, and covered by a checkpoint", labels=["state"])
    for state, count in (("sealed", status.sealed), ("unsealed", status.unsealed), ("covered", status.covered)):
        entries.add_metric([state], count)
    yield entries
    if status.checkpoint_at is not None:
        at = status.checkpoint_at.timestamp()
        yield GaugeMetricFamily("ue_audit_checkpoint_timestamp_seconds", "When the last checkpoint of the audit log was signed", value=at)
