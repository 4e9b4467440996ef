"""What Prometheus scrapes of the control plane: `GET /metrics`, with the token as its bearer token."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from fastapi import APIRouter
from starlette.responses import Response

from unioneyes.console.control import Parts
from unioneyes.console.guard import Scraper
from unioneyes.environments.document import document_upkeep
from unioneyes.kernel.clock import now
from unioneyes.kernel.problems import Problem

if TYPE_CHECKING:
    from datetime import datetime

    from prometheus_client import CollectorRegistry

    from unioneyes.kernel.upkeep import Upkeep
    from unioneyes.runbook.audit.views import AuditStatus

router = APIRouter()


@router.get("/metrics", include_in_schema=False)
def show_metrics(control: Parts, by: Scraper) -> Response:
    """Return every metric, as of now."""
    del by
    from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest  # noqa: PLC0415 - 1.5 MiB, where nobody scrapes

    registry = CollectorRegistry()
    add_audit(registry, control.engine.audit.status())
    with suppress(Problem):  # the log says what is wrong with the policy; a gauge that is gone is something to alert on
        add_review(registry, document_upkeep(), now())
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


def add_audit(registry: CollectorRegistry, status: AuditStatus) -> None:
    """The registry holds where the audit log is. Alert on the trouble, and on the lag: it grows when nothing is sealed, and when the witness keeps nothing."""
    from prometheus_client import Gauge  # noqa: PLC0415 - as above

    Gauge("ue_audit_sealing_lag_seconds", "How long the oldest audit entry has waited that no checkpoint covers", registry=registry).set(status.lag_seconds)
    Gauge(
        "ue_audit_trouble",
        "1 while audit entries are not sealed, their checkpoints can't be read, or a break-glass journal is not brought in; else 0",
        registry=registry,
    ).set(status.trouble is not None)
    entries = Gauge("ue_audit_entries", "Audit entries: in the tree, waiting for it, and covered by a checkpoint", ["state"], registry=registry)
    for state, count in (("sealed", status.sealed), ("unsealed", status.unsealed), ("covered", status.covered)):
        entries.labels(state).set(count)
    if status.checkpoint_at is not None:
        at = status.checkpoint_at.timestamp()
        Gauge("ue_audit_checkpoint_timestamp_seconds", "When the last checkpoint of the audit log was signed", registry=registry).set(at)


def add_review(registry: CollectorRegistry, upkeep: Upkeep, at: datetime) -> None:
    """The registry holds how long it still is, `at` that moment, until the runbook document is to be reviewed."""
    from prometheus_client import Gauge  # noqa: PLC0415 - as above

    days = Gauge("ue_document_review_days", "Days until the next review of the runbook document; negative once it was missed", registry=registry)
    days.set(upkeep.days_left(at))
