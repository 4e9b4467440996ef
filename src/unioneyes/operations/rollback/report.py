"""The incident report, in the document's headings, written from the journal. Source: "Post-Mortem", template."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from unioneyes.kernel.units import format_duration
from unioneyes.operations.rollback.model import Account
from unioneyes.runbook.views import EntryKind, JournalEntry

POST_MORTEM_WITHIN = timedelta(hours=24)
"""Source: Post-Rollback Actions, "Schedule post-mortem (within 24 hours)"."""

_TOLD = {
    EntryKind.RUN_STARTED,
    EntryKind.TAKEN_OVER,
    EntryKind.STEP_DONE,
    EntryKind.STEP_FAILED,
    EntryKind.STEP_SKIPPED,
    EntryKind.UNDO_SKIPPED,
    EntryKind.PARKED,
    EntryKind.HELD,
    EntryKind.DECIDED,
    EntryKind.LINE_HELD,
    EntryKind.LINE_OPEN,
    EntryKind.RUN_ENDED,
}
"""The kinds of journal lines that a timeline tells; the rest is detail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """What an incident report is written from."""

    account: Account
    began: datetime
    """When the bad version first got traffic, or when the rollback was ordered where that is not known."""
    ordered: datetime
    healthy: datetime | None
    """When the good version answered again; None when it did not: then the incident goes on."""
    responders: tuple[str, ...]
    """Who started the runs."""
    story: tuple[JournalEntry, ...]
    answers: int | None
    """Answers that the bad version gave; None when unknown."""
    errors: int | None


def page_name(day: datetime, number: int) -> str:
    """Return where the page stands: `docs/incidents/2026-02-09-incident.md`, with a number from the second of a day on."""
    return f"docs/incidents/{day:%Y-%m-%d}-incident{'' if number == 1 else f'-{number}'}.md"


def incident_report(incident: Incident) -> str:
    """Return the page. What the program can't know is left as a question to a person, and said so."""
    account = incident.account
    timeline = "\n".join(_line(entry) for entry in incident.story if entry.kind in _TOLD) or "- (the journal holds nothing of it)"
    automatic = account.deployment is not None and account.run_id.startswith(f"{account.deployment}.")
    ended = incident.healthy or incident.ordered
    took = (
        f"{format_duration(ended - incident.ordered)} from the order to a healthy answer of {account.good}"
        if incident.healthy
        else f"and {account.good} has not answered healthily since: THE INCIDENT GOES ON"
    )
    ordered_by = "by the deployment's own verdict" if automatic else "by a person"
    due = ended + POST_MORTEM_WITHIN
    served = "unknown" if incident.answers is None else f"{incident.errors} of {incident.answers} requests that {account.bad} answered failed"
    return f"""# Incident: {account.bad} rolled back

**Date:** {incident.ordered:%Y-%m-%d}
**Duration:** {format_duration(ended - incident.began) if incident.healthy else "not over"}
**Severity:** P1, as every rollback at first; the post-mortem may lower it
**Responders:** {", ".join(incident.responders) or "to be filled in by the post-mortem"}
**Deployment:** {account.deployment or "none under way"}, status `FAILED - ROLLED BACK`
**Rollback:** {account.run_id}, ordered {ordered_by}, {took}
**Post-mortem due:** {due:%Y-%m-%d %H:%M} UTC

## Timeline

Times are UTC.

{timeline}

## Root Cause

Trigger of the rollback: {account.reason}

The cause itself is for the post-mortem to find.

## Impact

- Users affected: {served}
- Data lost: {"; ".join(account.lost) or "none"}
- Revenue impact: to be filled in by the post-mortem
- SLA missed: to be filled in by the post-mortem

## Action Items

- [ ] Hold the post-mortem (Owner: to be named, Due: {due:%Y-%m-%d %H:%M} UTC)
- [ ] Find why {account.bad} failed, and why no earlier check saw it (Owner: to be named, Due: to be named)
"""


def _line(entry: JournalEntry) -> str:
    step = f"{entry.step}: " if entry.step else ""
    return f"- {entry.at:%H:%M:%S} - {step}{_verdict(entry) or entry.message}"


def _verdict(entry: JournalEntry) -> str | None:
    """Return why a watch decided as it did; None for any other line."""
    match entry.data.get("result"):
        case {"verdict": {"outcome": str(outcome), "reason": str(reason)}}:
            return f"{outcome}, because of {reason}"
        case _:
            return None
