"""What is scraped of the audit log, and of the runbook document."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry

from unioneyes.console.metrics import add_audit, add_review
from unioneyes.environments.document import document_upkeep
from unioneyes.runbook.audit.views import AuditStatus


@pytest.mark.parametrize(("trouble", "shown"), [(None, 0.0), ("the checkpoints can't be read", 1.0)])
def test_trouble_is_something_to_alert_on(trouble: str | None, shown: float) -> None:
    at = datetime(2026, 2, 9, 14, 30, tzinfo=UTC)
    registry = CollectorRegistry()
    add_audit(registry, AuditStatus(key="", sealed=3, unsealed=1, covered=0, checkpoint_at=at, lag_seconds=0.4, late=False, trouble=trouble))
    assert registry.get_sample_value("ue_audit_trouble") == shown
    assert registry.get_sample_value("ue_audit_entries", {"state": "sealed"}) == 3.0


@pytest.mark.parametrize("days", [30, 0, -1])
def test_how_long_it_is_until_the_document_s_review_is_something_to_alert_on(days: int) -> None:
    upkeep = document_upkeep()
    due = datetime.combine(upkeep.next_review, datetime.min.time(), UTC)
    registry = CollectorRegistry()
    add_review(registry, upkeep, due - timedelta(days=days))
    assert registry.get_sample_value("ue_document_review_days") == days
