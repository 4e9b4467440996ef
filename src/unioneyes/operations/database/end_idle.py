"""The flow of ending what has been idle for long."""

from __future__ import annotations

from unioneyes.kernel.access import Right
from unioneyes.operations.database.sessions import Judged, judged, spoken
from unioneyes.operations.database.sessions_model import EndIdleRequest, EndPlan, SessionsEnded
from unioneyes.operations.database.sessions_steps import NO_WAY_BACK, end_sessions
from unioneyes.ports.activity import CLIENT, WALSENDER, ActivityView
from unioneyes.ports.environment import Environment
from unioneyes.runbook.definition import runbook
from unioneyes.runbook.plan import Reading


@runbook(name="database.end_idle", chapter='Database Operations, "High Connection Count"', locks=False, right=Right.RESPOND)
class EndIdleSessions:
    """End the sessions that have been idle for long; a session that has become active is left alone."""

    def plan(self, env: Environment, request: EndIdleRequest) -> EndPlan:
        """Look at every session, and say of each why it stays. Raises: NoIdleTime, MissingGrant, NoOperator, DatabaseUnavailable."""
        view = env.activity.view()
        env.activity.require_ending()
        found = judged(view, request, protect=env.facts.protected_sessions)
        ending = tuple(each.session for each in found if each.kept is None)
        return EndPlan(
            summary=f"end {len(ending)} of {len(found)} sessions: {request.meant}",
            steps=(end_sessions.planned(commands=env.activity.describe_end(ending, busy=False), detail=NO_WAY_BACK),),
            readings=tuple(_reading(each, view) for each in sorted(found, key=_place)),
            sessions=ending,
            kept=len(found) - len(ending),
            busy=False,
            refusal="" if ending else f"none of {len(found)} sessions is to end",
        )

    def run(self, env: Environment, plan: EndPlan) -> SessionsEnded:
        """End those that still are what they were."""
        return end_sessions(env.activity, sessions=plan.sessions, kept=plan.kept, busy=plan.busy)


def _place(each: Judged) -> tuple[bool, bool, bool]:
    """Return where it is told: who ends, then who came from outside and stays, replicas, and at last PostgreSQL's own."""
    kind = each.session.kind
    return each.kept is not None, kind != CLIENT, kind != WALSENDER


def _reading(each: Judged, view: ActivityView) -> Reading:
    said, session = spoken(each.session, view.at), each.session
    value = said if each.kept is None else f"{each.kept} ({said})" if session.kind in {CLIENT, WALSENDER} else each.kept
    return Reading(name=f"{session.pid} {'ends' if each.kept is None else 'stays'}", value=value)
