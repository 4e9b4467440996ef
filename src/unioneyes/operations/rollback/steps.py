"""The only side effects of a rollback."""

from __future__ import annotations

from datetime import datetime, timedelta

from unioneyes.kernel.clock import Deadline, now
from unioneyes.kernel.problems import Problem, Unavailable
from unioneyes.operations.rollback.model import Account, Ordered, ServesAgain, Told
from unioneyes.operations.rollback.report import Incident, incident_report, page_name
from unioneyes.ports.documents import Documents
from unioneyes.ports.notifier import Announcement, Notifier
from unioneyes.ports.replicas import Replicas
from unioneyes.ports.service import HealthStatus, Service
from unioneyes.ports.traffic import Colour, Traffic, TrafficShifted, Weights
from unioneyes.runbook.plan import Effect
from unioneyes.runbook.steps import pause, step, story
from unioneyes.runbook.views import EntryKind, JournalEntry

HEALTHY_WITHIN = timedelta(seconds=60)
PAGES_A_DAY = 1000
TEAM = "@platform-team"
"""Source: "Stakeholder Notification Template"."""


class StillUnhealthy(Problem):
    """The previous release serves again, and it is unhealthy too."""


@step(effect=Effect.READ)
def note_order() -> Ordered:
    """The rollback's time counts from here."""
    return Ordered(at=now())


@step(effect=Effect.CHANGE)
def shift_traffic_back(traffic: Traffic, replicas: Replicas, *, to: Colour) -> TrafficShifted:
    """All new requests reach the good release again.

    Source: Rollback Steps, option A.
    """
    shifted = traffic.shift(Weights.all_to(to))
    replicas.mark_served(to, after_rollback=True)
    return shifted


@step(effect=Effect.CHANGE)
def end_maintenance(traffic: Traffic) -> None:
    """No maintenance answer stands between the members and the colours."""
    if traffic.view().maintenance:
        traffic.leave_maintenance()


@step(effect=Effect.READ, time_limit=timedelta(minutes=2))
def verify_serving(service: Service, *, version: str) -> ServesAgain:
    """The release answers, as members reach it, and is healthy.

    Source: option A, "Verify rollback".
    """
    deadline = Deadline.after(HEALTHY_WITHIN)
    while True:
        try:
            health = service.health()
        except Unavailable as problem:
            last = problem.what
        else:
            if health.version == version and health.status is not HealthStatus.UNHEALTHY:
                return ServesAgain(at=now(), version=version)
            last = f"{health.version} answers and is {health.status.value}"
        if deadline.passed:
            raise StillUnhealthy(
                what=f"members are sent to {version}, but {last}", remedy="this is no fault of the release: look at the database and the network"
            )
        pause(timedelta(milliseconds=200))


@step(effect=Effect.CHANGE, time_limit=timedelta(minutes=5))
def stop_bad_replicas(replicas: Replicas, *, colour: Colour) -> None:
    """The bad version runs nowhere; its logs are kept."""
    replicas.stop(colour)


@step(effect=Effect.CHANGE, if_skipped="not written: a person went on without it")
def write_incident_report(documents: Documents, *, account: Account, ordered: datetime, healthy: datetime | None) -> str:
    """The incident report stands, written from the journal.

    Source: Post-Rollback Actions, 2.
    """
    entries = story(account.deployment or account.run_id)
    if all(entry.run_id != account.run_id for entry in entries):
        entries = (*entries, *story(account.run_id))
    answers, errors = _last_figures(entries)
    text = incident_report(
        Incident(
            account=account,
            began=_switched_at(entries) or ordered,
            ordered=ordered,
            healthy=healthy,
            responders=_responders(entries),
            story=entries,
            answers=answers,
            errors=errors,
        )
    )
    return documents.write(_free_page(documents, ordered, account.run_id), text)


@step(effect=Effect.CHANGE, if_skipped=Told(reference=None, trouble="a person went on without it"))
def tell_stakeholders(notifier: Notifier, *, channel: str, account: Account, took: timedelta | None, incident: str, post_mortem_due: datetime) -> Told:
    """The incidents channel knows.

    Source: Post-Rollback Actions, 1, and the stakeholder notification template.
    """
    try:
        announced = notifier.announce(announcement(channel=channel, account=account, took=took, incident=incident, post_mortem_due=post_mortem_due))
    except Problem as problem:
        return Told(reference=None, trouble=f"{problem.what}; {problem.remedy}")
    return Told(reference=announced.reference, trouble=None)


def announcement(*, channel: str, account: Account, took: timedelta | None, incident: str, post_mortem_due: datetime) -> Announcement:
    """Return the message, in the document's template: issue, impact, status, ETA, team, updates."""
    went_on = f"rolled back, but {account.good} is not healthy either: the incident goes on"
    return Announcement(
        channel=channel,
        title=f"FAILED - ROLLED BACK: {account.bad}",
        facts=(
            ("Issue", account.reason),
            ("Impact", account.impact),
            *((("Data lost", "; ".join(account.lost)),) if account.lost else ()),
            ("Status", f"rolled back in {took.total_seconds():.1f} s" if took is not None else went_on),
            ("ETA", "resolved" if took is not None else "unknown"),
            ("Team", TEAM),
            ("Report", incident),
            ("Post-mortem due", f"{post_mortem_due:%Y-%m-%d %H:%M} UTC"),
            ("Updates", f"ue run show {account.run_id}"),
        ),
        key=f"{account.run_id}/rolled-back",
    )


def _free_page(documents: Documents, day: datetime, run_id: str) -> str:
    """Return the first page of the day that is free, or that this same run has written before it was interrupted."""
    for number in range(1, PAGES_A_DAY):
        name = page_name(day, number)
        text = documents.read(name)
        if text is None or f"**Rollback:** {run_id}," in text:
            return name
    raise Problem(what=f"there are {PAGES_A_DAY} incident reports of {day:%Y-%m-%d} already", remedy="move some away")


def _switched_at(entries: tuple[JournalEntry, ...]) -> datetime | None:
    return next((entry.at for entry in entries if entry.kind is EntryKind.STEP_DONE and entry.step in {"shift_traffic", "roll_replicas"}), None)


def _responders(entries: tuple[JournalEntry, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(entry.data["by"]) for entry in entries if entry.kind is EntryKind.RUN_STARTED and "by" in entry.data))


def _last_figures(entries: tuple[JournalEntry, ...]) -> tuple[int | None, int | None]:
    """Return answers and errors of the bad version, from the last line of each watch: each counted its own share of the requests."""
    answers = errors = 0
    under_way: tuple[int, int] | None = None
    known = False
    for entry in entries:
        if entry.kind is EntryKind.STEP_PROGRESS and "new_answers" in entry.data:
            known, under_way = True, (int(str(entry.data["new_answers"])), int(str(entry.data["new_errors"])))
        elif entry.kind is EntryKind.STEP_DONE and under_way:
            answers, errors, under_way = answers + under_way[0], errors + under_way[1], None
    last = under_way or (0, 0)
    return (answers + last[0], errors + last[1]) if known else (None, None)
