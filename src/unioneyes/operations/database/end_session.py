"""The flow of ending one session that somebody named, or of stopping what it does."""

from __future__ import annotations

from unioneyes.kernel.access import Right
from unioneyes.operations.database.sessions import named, spoken
from unioneyes.operations.database.sessions_model import EndPlan, EndSessionRequest, NotEnded, NothingToEnd, SessionsEnded
from unioneyes.operations.database.sessions_steps import NO_WAY_BACK, cancel_query, end_sessions
from unioneyes.ports.activity import ACTIVE, Outcome
from unioneyes.ports.environment import Environment
from unioneyes.runbook.definition import runbook
from unioneyes.runbook.plan import Reading


@runbook(name="database.end_session", chapter='Database Operations, "Slow Query Investigation"', locks=False, right=Right.RESPOND)
class EndSession:
    """End one session, or stop the query that it runs."""

    def plan(self, env: Environment, request: EndSessionRequest) -> EndPlan:
        """Look at the session. Raises: NoSuchSession, MayNotEnd, NothingToEnd, MissingGrant, NoOperator, DatabaseUnavailable."""
        view = env.activity.view()
        session = named(view, request.pid, protect=env.facts.protected_sessions)
        if request.cancel and session.state != ACTIVE:
            raise NothingToEnd(what=f"session {session.pid} runs no query: it is {session.state}", remedy=f"without --cancel it ends: ue db kill {session.pid}")
        env.activity.require_ending()
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
        )

    def run(self, env: Environment, plan: EndPlan) -> SessionsEnded:
        """End it, or stop what it does. Raises: NotEnded."""
        if any(step.step == cancel_query.name for step in plan.steps):
            done = cancel_query(env.activity, session=plan.sessions[0], kept=plan.kept)
        else:
            done = end_sessions(env.activity, sessions=plan.sessions, kept=plan.kept, busy=plan.busy)
        for each in done.sent:
            if each.outcome in {Outcome.REFUSED, Outcome.LINGERS}:
                why = f"PostgreSQL refused it: {each.said}" if each.said else "it was told to end, and has not within 5 s"
                raise NotEnded(
                    what=f"session {each.pid} is still there; {why}",
                    remedy="ue db queries shows what it does",
                )
        return done
