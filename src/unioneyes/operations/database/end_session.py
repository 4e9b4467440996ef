"""The flow of ending one session that somebody named, or of stopping what it does."""

from __future__ import annotations

from unioneyes.kernel.access import Right
from unioneyes.operations.database.sessions import named, spoken
from unioneyes.operations.database.sessions_model import EndPlan, EndSessionRequest, SessionsEnded
from unioneyes.operations.database.sessions_steps import NO_WAY_BACK, cancel_query, end_sessions
from unioneyes.ports.activity import ACTIVE
from unioneyes.ports.environment import Environment
from unioneyes.runbook.definition import runbook
from unioneyes.runbook.plan import Reading


@runbook(name="database.end_session", chapter='Database Operations, "Slow Query Investigation"', locks=False, right=Right.RESPOND)
class EndSession:
    """End one session, or stop the query that it runs."""

    def plan(self, env: Environment, request: EndSessionRequest) -> EndPlan:
        """Look at the session. Raises: NoSuchSession, MayNotEnd, NoOperator, DatabaseUnavailable."""
        view = env.activity.view()
        session = named(view, request.pid, protect=env.facts.protected_sessions)
        step = (
            cancel_query.planned(commands=env.activity.describe_cancel(session), detail="there is no way back: its transaction is rolled back")
            if request.cancel
            else end_sessions.planned(commands=env.activity.describe_end((session,), busy=True), detail=NO_WAY_BACK)
        )
        return EndPlan(
            summary=f"{'stop what' if request.cancel else 'end'} session {session.pid}{' does' if request.cancel else ''}",
            steps=(step,),
            readings=(
                Reading(name="session", value=spoken(session, view.at)),
                *(Reading(name=name, value=value) for name, value in (("query", session.query), ("waits for", session.lock or session.waits_for)) if value),
                Reading(name="waiting for it", value=", ".join(str(each.pid) for each in view.sessions if session.pid in each.blocked_by) or "nobody"),
            ),
            sessions=(session,),
            kept=len(view.sessions) - 1,
            busy=True,
            refusal=f"session {session.pid} runs no query: it is {session.state}" if request.cancel and session.state != ACTIVE else "",
        )

    def run(self, env: Environment, plan: EndPlan) -> SessionsEnded:
        """End it, or stop what it does."""
        if any(step.step == cancel_query.name for step in plan.steps):
            return cancel_query(env.activity, session=plan.sessions[0], kept=plan.kept)
        return end_sessions(env.activity, sessions=plan.sessions, kept=plan.kept, busy=plan.busy)
