"""What follows every rollback, whichever option it took. Source: "Post-Rollback Actions"."""

from __future__ import annotations

from datetime import datetime, timedelta

from unioneyes.kernel.clock import now
from unioneyes.kernel.problems import Problem
from unioneyes.operations.rollback.model import Account, Afterwards
from unioneyes.operations.rollback.report import POST_MORTEM_WITHIN
from unioneyes.operations.rollback.steps import announcement, tell_stakeholders, write_incident_report
from unioneyes.ports.environment import Environment
from unioneyes.runbook.plan import PlannedStep


def planned_afterwards(env: Environment, account: Account) -> tuple[PlannedStep, ...]:
    """Return the steps of `after`, as a plan names them."""
    due = now() + POST_MORTEM_WITHIN
    message = announcement(channel=env.facts.incidents_channel, account=account, took=timedelta(0), incident="docs/incidents/", post_mortem_due=due)
    return (write_incident_report.planned(), tell_stakeholders.planned(commands=env.notifier.describe_announce(message)))


def after(env: Environment, account: Account, *, ordered: datetime, healthy: datetime | None) -> Afterwards:
    """The incident report stands, the post-mortem has a date, and the stakeholders were told; `healthy` is None while the incident goes on."""
    due = (healthy or ordered) + POST_MORTEM_WITHIN
    try:
        incident = write_incident_report(env.documents, account=account, ordered=ordered, healthy=healthy)
    except Problem as problem:  # the members are back: people are told all the same, and of this too
        incident = f"not written: {problem.what}"
    told = tell_stakeholders(
        env.notifier,
        channel=env.facts.incidents_channel,
        account=account,
        took=healthy - ordered if healthy else None,
        incident=incident,
        post_mortem_due=due,
    )
    return Afterwards(incident=incident, post_mortem_due=due, announced=told.reference, not_announced=told.trouble)
