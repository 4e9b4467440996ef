"""`ue db`: what the operated database does now, and ending what should not be there."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from cyclopts import Parameter, Token

from unioneyes.cli.client import Answer, Api
from unioneyes.cli.dbstatus import database_text, lag_text
from unioneyes.cli.dbtexts import connections_text, each_table, locks_text, queries_table
from unioneyes.cli.launch import LAUNCH, Flag, Launch, launch
from unioneyes.cli.options import HERE, PRINTED, Output, Where
from unioneyes.cli.output import result
from unioneyes.cli.request import asks_for, duration
from unioneyes.cli.watching import watched
from unioneyes.kernel.problems import BadInput, ExitCode
from unioneyes.operations.database.connections import Connections, Doing, Locks
from unioneyes.operations.database.sessions import require_idle_time
from unioneyes.operations.database.sessions_model import EndIdleRequest, EndSessionRequest, Idleness
from unioneyes.operations.database.status import DatabaseStatus, LagStatus


def older_than(hint: object, tokens: tuple[Token, ...]) -> timedelta:
    """Return how old is meant, with its unit: 10 may be meant as minutes, and sessions end by it. Raises: BadInput."""
    if (typed := tokens[0].value).replace(".", "").isdigit():
        raise NothingIsEnded(what=f"{typed} may be seconds or minutes", remedy=f"write {typed}s or {typed}m")
    return duration(hint, tokens)


Age = Annotated[timedelta | None, Parameter(converter=older_than, metavar="DURATION")]


def status(*, watch: Flag = False, where: Where = HERE, output: Output = PRINTED) -> ExitCode:
    """Show how the database is: what it does, what it is behind with, and what is wrong.

    Ends with 0 when all is as it should be, with 1 otherwise.

    Args:
        watch: Show it anew each second; Ctrl-C ends it.
    """
    api = Api(where)

    def look() -> Answer[DatabaseStatus]:
        return api.get("database/status", DatabaseStatus)

    if watch:
        return watched(output, look, database_text, ends_as=lambda _: None)
    found = look()
    result(output, found.document, lambda ink: database_text(ink, found.value))
    return ExitCode.FAILED if found.value.troubles else ExitCode.DONE


def lag(*, where: Where = HERE, output: Output = PRINTED) -> ExitCode:
    """Show how far the replicas are behind, from both ends, in bytes and seconds; what is not connected is never 0.

    Ends with 0 when all is as it should be, with 1 otherwise.
    """
    found = Api(where).get("database/lag", LagStatus)
    result(output, found.document, lambda ink: lag_text(ink, found.value))
    return ExitCode.FAILED if found.value.troubles else ExitCode.DONE


def connections(
    *,
    app: str | None = None,
    user: str | None = None,
    database: str | None = None,
    state: Doing | None = None,
    each: Flag = False,
    kill_idle: Flag = False,
    older_than: Age = None,
    reason: str | None = None,
    how: Launch = LAUNCH,
    where: Where = HERE,
    output: Output = PRINTED,
) -> ExitCode:
    """Show who is connected, against how many may be; with --kill-idle, end what has been idle for long.

    A session that has become active meanwhile is left alone. Never ended: replication, superusers, our own, PostgreSQL's own, and what
    [sessions] protect in environment.toml names. --dry-run says of each session why it stays. A stopped line does not hold it.

    Args:
        app: Only applications of this name; * stands for anything: claims*; "" for those without a name.
        user: Only sessions of this role.
        database: Only sessions in this database.
        state: Only those that do this; with --kill-idle: idle when not given, in-transaction for those whose work is lost, or any of both.
        each: One line for each session.
        kill_idle: End those that are idle.
        older_than: With --kill-idle: only those that have been idle for longer; 10m when not given.
        reason: With --kill-idle: why, for the journal and the audit log.
    """
    if kill_idle:
        older = EndIdleRequest().older_than if older_than is None else older_than
        require_idle_time(older)
        asked = EndIdleRequest(older_than=older, state=_idleness(state), app=app, user=user, database=database, reason=reason)
        return launch("database.end_idle", asked, how, where, output)
    if older_than is not None or reason is not None or how != LAUNCH:
        raise NothingIsEnded(what="this only shows who is connected", remedy="add --kill-idle, and --dry-run first")
    found = Api(where).get("database/connections", Connections, {"app": app, "user": user, "database": database, "state": (state or Doing.ANY).value})
    result(output, found.document, lambda ink: each_table(ink, found.value) if each else connections_text(ink, found.value))
    return ExitCode.DONE


def queries(*, where: Where = HERE, output: Output = PRINTED) -> ExitCode:
    """Show what runs now, longest first, without the values that stand in it."""
    found = Api(where).get("database/queries", Connections)
    result(output, found.document, lambda ink: queries_table(ink, found.value.sessions, found.value.at))
    return ExitCode.DONE


def locks(*, where: Where = HERE, output: Output = PRINTED) -> ExitCode:
    """Show who waits for whom: at the top of each tree, the session that holds all the others up.

    Ends with 1 when somebody waits.
    """
    found = Api(where).get("database/locks", Locks)
    result(output, found.document, lambda ink: locks_text(ink, found.value))
    return ExitCode.FAILED if found.value.links else ExitCode.DONE


@asks_for(EndSessionRequest, positional="pid")
def kill(request: EndSessionRequest, *, how: Launch = LAUNCH, where: Where = HERE, output: Output = PRINTED) -> ExitCode:
    """End one session, whatever it does; with --cancel, only stop the query that it runs.

    What it did not commit is rolled back. Never ended: replication, superusers, our own and PostgreSQL's own. A stopped line does not hold it.
    """
    return launch("database.end_session", request, how, where, output)


def _idleness(state: Doing | None) -> Idleness:
    """Return which idle sessions are meant. Raises: NothingIsEnded."""
    if state is Doing.ACTIVE:
        raise NothingIsEnded(what="what is active is not idle", remedy="ue db queries shows what runs; ue db kill PID ends one session")
    return Idleness.IDLE if state is None else Idleness(state.value)


class NothingIsEnded(BadInput):
    """What was asked for ends no session."""
