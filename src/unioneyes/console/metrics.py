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
from unioneyes.ports.replicas import SliceKind
from unioneyes.ports.traffic import Colour

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from prometheus_client import CollectorRegistry

    from unioneyes.kernel.upkeep import Upkeep
    from unioneyes.operations.deployment.status import PodEnd
    from unioneyes.ports.pods import Pod
    from unioneyes.ports.replicas import Outcome
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
    add_pods(registry, control.pods.pods(), control.pods.ends())
    with suppress(Problem):  # a service that does not answer has no figures, rather than old ones
        add_answers(registry, [outcome for colour in Colour for outcome in control.environment.replicas.outcomes(colour)])
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


def add_pods(registry: CollectorRegistry, pods: Sequence[Pod] | None, ends: Sequence[PodEnd]) -> None:
    """The registry holds how each of the service's pods is. Where nobody says, `ue_pods_known` is 0, and nothing is told of any."""
    from prometheus_client import Gauge  # noqa: PLC0415 - as above

    Gauge("ue_pods_known", "1 while whoever runs the service's pods says how they are; else 0", registry=registry).set(pods is not None)
    labels = ["pod", "colour", "version"]
    figures: tuple[tuple[str, str, Callable[[Pod], float | None]], ...] = (
        ("ue_pod_ready", "1 while the pod gets requests; else 0", lambda pod: float(pod.ready)),
        ("ue_pod_restarts", "How often the pod was started again after it ended by itself", lambda pod: pod.restarts),
        ("ue_pod_cpu_cores", "Cores that the pod uses", lambda pod: pod.cpu),
        ("ue_pod_memory_bytes", "Memory that the pod holds", lambda pod: pod.memory),
        ("ue_pod_memory_limit_bytes", "Memory that the pod may hold", lambda pod: pod.memory_limit),
    )
    for name, meaning, figure in figures:
        gauge = Gauge(name, meaning, labels, registry=registry)
        for pod in pods or ():
            if (value := figure(pod)) is not None:
                gauge.labels(pod.name, pod.colour.value, pod.version).set(value)
    ended = Gauge(
        "ue_pod_ends_recent", "Pods that ended by themselves in the last quarter of an hour, by the reason", ["reason", "colour", "version"], registry=registry
    )
    for end in ends:
        ended.labels(end.reason, end.colour.value, end.version).inc()


def add_answers(registry: CollectorRegistry, outcomes: Iterable[Outcome]) -> None:
    """The registry holds what each of the service's pods counted by route since it was started; by tenant, nothing is told to whoever scrapes."""
    from prometheus_client import Gauge  # noqa: PLC0415 - as above

    answers = Gauge("ue_service_answers", "Answers of the service's pod to the route since it was started", ["pod", "route"], registry=registry)
    errors = Gauge("ue_service_errors", "Of them, those with a 5xx", ["pod", "route"], registry=registry)
    for outcome in outcomes:
        if outcome.kind is SliceKind.ROUTE:
            answers.labels(outcome.replica, outcome.name).set(outcome.answers)
            errors.labels(outcome.replica, outcome.name).set(outcome.errors)


def add_review(registry: CollectorRegistry, upkeep: Upkeep, at: datetime) -> None:
    """The registry holds how long it still is, `at` that moment, until the runbook document is to be reviewed."""
    from prometheus_client import Gauge  # noqa: PLC0415 - as above

    days = Gauge("ue_document_review_days", "Days until the next review of the runbook document; negative once it was missed", registry=registry)
    days.set(upkeep.days_left(at))
