"""The incident report, in the document's headings."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from inline_snapshot import snapshot

from unioneyes.operations.rollback.model import Account
from unioneyes.operations.rollback.report import Incident, incident_report, page_name
from unioneyes.operations.rollback.steps import announcement
from unioneyes.runbook.views import EntryKind, JournalEntry

AT = datetime(2026, 2, 9, 14, 30, tzinfo=UTC)


def entry(seconds: int, kind: EntryKind, step: str | None, message: str) -> JournalEntry:
    return JournalEntry(seq=seconds, run_id="deploy-1", at=AT + timedelta(seconds=seconds), kind=kind, step=step, message=message, data={})


INCIDENT = Incident(
    account=Account(
        run_id="rollback-1",
        deployment="deploy-1",
        bad="1.2.0",
        good="1.1.0",
        reason="errors: 20.0 % of the new version's answers failed",
        impact="some requests were answered by 1.2.0",
    ),
    began=AT,
    ordered=AT + timedelta(seconds=4),
    healthy=AT + timedelta(seconds=5),
    responders=(),
    story=(
        entry(0, EntryKind.STEP_DONE, "shift_traffic", "green serves"),
        entry(2, EntryKind.STEP_PROGRESS, "watch_release", "100 answers"),
        entry(4, EntryKind.STEP_DONE, "watch_release", "roll back"),
    ),
    answers=100,
    errors=20,
)


def test_the_report_has_the_document_s_headings_in_order() -> None:
    headings = [line for line in incident_report(INCIDENT).splitlines() if line.startswith("#")]
    assert headings == snapshot(["# Incident: 1.2.0 rolled back", "## Timeline", "## Root Cause", "## Impact", "## Action Items"])


def test_the_timeline_tells_steps_and_leaves_out_their_progress() -> None:
    timeline = [line for line in incident_report(INCIDENT).splitlines() if line.startswith("- 14:")]
    assert timeline == snapshot(["- 14:30:00 - shift_traffic: green serves", "- 14:30:04 - watch_release: roll back"])


def test_the_impact_says_what_was_counted_and_never_guesses() -> None:
    assert "20 of 100 requests that 1.2.0 answered failed" in incident_report(INCIDENT)
    assert "Users affected: unknown" in incident_report(replace(INCIDENT, answers=None, errors=None))


def test_a_verdict_stands_in_the_timeline_with_its_reason() -> None:
    verdict = replace(entry(4, EntryKind.STEP_DONE, "watch_release", "done"), data={"result": {"verdict": {"outcome": "roll-back", "reason": "errors: 20 %"}}})
    assert "- 14:30:04 - watch_release: roll-back, because of errors: 20 %" in incident_report(replace(INCIDENT, story=(verdict,)))


def test_the_report_says_whether_a_person_ordered_the_rollback() -> None:
    assert "rollback-1, ordered by a person" in incident_report(INCIDENT)
    assert "deploy-1.1, ordered by the deployment's own verdict" in incident_report(replace(INCIDENT, account=replace(INCIDENT.account, run_id="deploy-1.1")))


def test_the_post_mortem_is_due_within_24_hours() -> None:
    assert "**Post-mortem due:** 2026-02-10 14:30 UTC" in incident_report(INCIDENT)


def test_a_second_incident_of_a_day_gets_a_page_of_its_own() -> None:
    assert page_name(AT, 1) == "docs/incidents/2026-02-09-incident.md"
    assert page_name(AT, 2) == "docs/incidents/2026-02-09-incident-2.md"


def test_the_report_and_the_announcement_say_what_data_is_lost() -> None:
    lost = replace(INCIDENT.account, lost=("claims.deadline: 12 rows held a value",))
    assert "- Data lost: claims.deadline: 12 rows held a value" in incident_report(replace(INCIDENT, account=lost))
    assert "- Data lost: none" in incident_report(INCIDENT)
    due = AT + timedelta(days=1)
    told = announcement(channel="#incidents", account=lost, took=timedelta(seconds=2), incident="docs/incidents/1.md", post_mortem_due=due)
    assert ("Data lost", "claims.deadline: 12 rows held a value") in told.facts
    silent = announcement(channel="#incidents", account=INCIDENT.account, took=None, incident="docs/incidents/1.md", post_mortem_due=due)
    assert "Data lost" not in dict(silent.facts)


def test_a_plan_s_announcement_reads_as_one_that_went_well() -> None:
    told = announcement(channel="#incidents", account=INCIDENT.account, took=timedelta(0), incident="docs/incidents/", post_mortem_due=AT)
    assert dict(told.facts)["Status"] == "rolled back in 0.0 s"
