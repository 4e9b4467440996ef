"""What the sessions' port promises, on PostgreSQL 18, and on 15 by TLS, as a role that is no superuser."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Thread

import psycopg
import pytest
from pydantic import SecretStr

from tests.contract.postgres.operated import Operated
from unioneyes.adapters.postgres.activity import ServerActivity
from unioneyes.adapters.postgres.bootstrap import OPERATOR, OWNER, SERVICE
from unioneyes.adapters.postgres.server import PostgresServer
from unioneyes.adapters.postgres.vitals import ServerVitals
from unioneyes.operations.database.connections import locks
from unioneyes.ports.activity import ActivityView, MissingGrant, Outcome, Sent, Session
from unioneyes.ports.database import DatabaseUnavailable

pytestmark = pytest.mark.stack

WITHIN = timedelta(seconds=5)


def seen(operated: Operated, opened: psycopg.Connection) -> Session:
    return next(each for each in operated.activity.view().sessions if each.pid == opened.info.backend_pid)


def eventually(view: Callable[[], ActivityView], is_so: Callable[[ActivityView], bool]) -> ActivityView:
    until = time.monotonic() + 10
    while not is_so(found := view()):
        assert time.monotonic() < until, found
        time.sleep(0.05)
    return found


@contextmanager
def busy(opened: psycopg.Connection, statement: str) -> Iterator[list[BaseException]]:
    """`statement` is under way meanwhile; what it ended with is given, and is there after the block."""
    ended: list[BaseException] = []

    def work() -> None:
        try:
            opened.execute(statement.encode())
        except psycopg.Error as error:
            ended.append(error)

    thread = Thread(target=work)
    thread.start()
    try:
        yield ended
    finally:
        thread.join(timeout=20)
        assert not thread.is_alive()


def test_every_session_is_seen_with_what_it_does_and_without_what_it_is_about(operated: Operated) -> None:
    with operated.connect(SERVICE, application="claims blue-1") as service:
        service.execute("SELECT 'Jane Doe' AS name, 4711 AS number")
        session = seen(operated, service)
        view = operated.activity.view()

    assert (session.kind, session.user, session.application, session.state) == ("client backend", SERVICE, "claims blue-1", "idle")
    assert session.query == "SELECT ? AS name, ? AS number"
    assert session.client == "127.0.0.1"
    assert session.state_since is not None
    assert session.started <= session.state_since <= view.at
    assert session.transaction_since is None
    assert not session.superuser
    assert (view.limits.connections, view.limits.reserved) == (100, 3)
    assert {each.kind for each in view.sessions} >= {"client backend", "checkpointer", "background writer"}
    assert not [each for each in view.sessions if each.user == OPERATOR], "whoever looks is not among them"


def test_who_waits_for_whom_is_told_with_the_lock(operated: Operated, table: str) -> None:
    with ExitStack() as open_:
        holder, waiter, third = (open_.enter_context(operated.connect(role)) for role in (OWNER, SERVICE, SERVICE))
        holding, first, second = (each.info.backend_pid for each in (holder, waiter, third))
        holder.execute("BEGIN; LOCK TABLE members")
        with busy(waiter, "SELECT * FROM members WHERE name = 'Jane Doe'"), busy(third, "SELECT 1 FROM members"):
            view = eventually(operated.activity.view, lambda view: {each.pid for each in view.sessions if each.blocked_by} == {first, second})
            holder.execute("ROLLBACK")

    waiting = next(each for each in view.sessions if each.pid == first)
    assert waiting.blocked_by == (holding,)
    assert waiting.lock == f"AccessShareLock on {table}"
    assert waiting.query == "SELECT * FROM members WHERE name = ?"
    links = locks(view).links
    assert (links[0].pid, links[0].depth, links[0].holds_up) == (holding, 0, 2)
    assert {(link.pid, link.depth) for link in links[1:]} == {(first, 1), (second, 1)}


def test_a_session_ends_that_still_is_what_it_was(operated: Operated) -> None:
    with operated.connect(SERVICE) as idle:
        session = seen(operated, idle)
        assert operated.activity.end((session,), busy=False, within=WITHIN) == (Sent(pid=session.pid, outcome=Outcome.ENDED),)
        assert session.pid not in {each.pid for each in operated.activity.view().sessions}
        assert operated.activity.end((session,), busy=False, within=WITHIN) == (Sent(pid=session.pid, outcome=Outcome.GONE),), "safe to repeat"
        with pytest.raises(psycopg.errors.AdminShutdown):
            idle.execute("SELECT 1")


def test_one_that_has_done_something_since_is_left_alone(operated: Operated) -> None:
    with operated.connect(SERVICE) as used, operated.connect(SERVICE) as working:
        sessions = tuple(seen(operated, each) for each in (used, working))
        used.execute("SELECT 1")
        with busy(working, "SELECT pg_sleep(2)") as ended:
            eventually(operated.activity.view, lambda view: any(each.pid == working.info.backend_pid and each.state == "active" for each in view.sessions))
            sent = operated.activity.end(sessions, busy=False, within=WITHIN)
        assert [each.outcome for each in sent] == [Outcome.CHANGED, Outcome.CHANGED]
        assert not ended, "the query came to its end"
        used.execute("SELECT 1")


def test_a_process_whose_number_came_again_is_another_session(operated: Operated) -> None:
    with operated.connect(SERVICE) as there:
        session = replace(seen(operated, there), started=seen(operated, there).started - timedelta(microseconds=1))
        for busy_too in (True, False):
            assert [each.outcome for each in operated.activity.end((session,), busy=busy_too, within=WITHIN)] == [Outcome.GONE]
        there.execute("SELECT 1")


def test_one_that_was_named_ends_whatever_it_does(operated: Operated) -> None:
    with operated.connect(SERVICE) as working:
        session = seen(operated, working)
        with busy(working, "SELECT pg_sleep(60)") as ended:
            eventually(operated.activity.view, lambda view: any(each.pid == session.pid and each.state == "active" for each in view.sessions))
            assert operated.activity.end((session,), busy=True, within=WITHIN)[0].outcome is Outcome.ENDED
        assert isinstance(ended[0], psycopg.errors.AdminShutdown)


def test_a_query_is_cancelled_and_never_the_one_after_it(operated: Operated) -> None:
    with operated.connect(SERVICE) as working:
        with busy(working, "SELECT pg_sleep(60)") as ended:
            view = eventually(
                operated.activity.view, lambda view: any(each.pid == working.info.backend_pid and each.state == "active" for each in view.sessions)
            )
            session = next(each for each in view.sessions if each.pid == working.info.backend_pid)
            assert operated.activity.cancel(session).outcome is Outcome.CANCELLED
        assert isinstance(ended[0], psycopg.errors.QueryCanceled)
        with busy(working, "SELECT pg_sleep(1)") as ended:
            eventually(operated.activity.view, lambda view: any(each.pid == session.pid and each.state == "active" for each in view.sessions))
            assert operated.activity.cancel(session).outcome is Outcome.CHANGED
        assert not ended


def test_a_superuser_s_session_is_refused_by_the_server_and_the_others_end_all_the_same(operated: Operated) -> None:
    with operated.connect() as superuser, operated.connect(SERVICE) as service:
        sessions = (seen(operated, superuser), seen(operated, service))
        assert sessions[0].superuser
        sent = operated.activity.end(sessions, busy=True, within=WITHIN)
        assert [each.outcome for each in sent] == [Outcome.REFUSED, Outcome.ENDED]
        assert "terminate" in sent[0].said
        superuser.execute("SELECT 1")


def test_what_is_described_is_what_ends_it_when_a_person_types_it(operated: Operated) -> None:
    with operated.connect(SERVICE) as idle:
        session = seen(operated, idle)
        (command,) = operated.activity.describe_end((session,), busy=False)
        statement = command.split(' -c "')[1].removesuffix('"')
        assert "pass:word" not in command
        with operated.connect(OPERATOR) as operator:
            idle.execute("SELECT 1")
            assert operator.execute(statement.encode()).fetchall() == [], "it has done something since"
            (command,) = operated.activity.describe_end((seen(operated, idle),), busy=False)
            assert operator.execute(command.split(' -c "')[1].removesuffix('"').encode()).fetchall() == [(True,)]


@contextmanager
def without(operated: Operated, grant: str) -> Iterator[None]:
    with operated.connect() as admin:
        admin.execute(f"REVOKE {grant} FROM {OPERATOR}".encode())
        try:
            yield
        finally:
            admin.execute(f"GRANT {grant} TO {OPERATOR}".encode())


def test_a_role_that_would_see_little_says_which_grant_is_missing_and_never_that_nobody_is_there(operated: Operated) -> None:
    vitals = ServerVitals(database_url=lambda: operated.url(OPERATOR), replica_url=None, data_folder=None)
    with without(operated, "pg_monitor"):
        for look in (operated.activity.view, vitals.signs, lambda: vitals.lag(within=WITHIN)):
            with pytest.raises(MissingGrant, match="lacks pg_monitor") as refused:
                look()
            assert "GRANT pg_monitor TO ue_operator" in refused.value.remedy
    assert operated.activity.view().sessions


def test_a_role_that_could_end_nobody_says_so_before_anybody_is_to_end(operated: Operated) -> None:
    operated.activity.require_ending()
    with without(operated, "pg_signal_backend"):
        with pytest.raises(MissingGrant, match="lacks pg_signal_backend"):
            operated.activity.require_ending()
        with operated.connect(SERVICE) as idle:
            (sent,) = operated.activity.end((seen(operated, idle),), busy=False, within=WITHIN)
            assert (sent.outcome, "pg_signal_backend" in sent.said) == (Outcome.REFUSED, True)


def test_a_server_that_lets_nobody_in_says_why_and_what_lets_one_in(operated: Operated) -> None:
    wrong = ServerActivity(database_url=lambda: SecretStr(operated.url(OPERATOR).get_secret_value().replace("with", "without")))
    with pytest.raises(DatabaseUnavailable) as refused:
        wrong.view()
    assert "lets nobody in: password authentication failed" in refused.value.what
    assert "another password" in refused.value.remedy
    assert "pass:word" not in str(refused.value)
    with operated.connect() as admin:
        admin.execute("ALTER ROLE ue_operator NOLOGIN")
        try:
            with pytest.raises(DatabaseUnavailable) as refused:
                operated.activity.view()
        finally:
            admin.execute("ALTER ROLE ue_operator LOGIN")
    assert refused.value.remedy == "as a superuser: ALTER ROLE ue_operator LOGIN"


def test_a_full_server_that_reserves_nothing_says_what_lets_the_operator_in(operated: Operated) -> None:
    with ExitStack() as leaked:
        with suppress(psycopg.OperationalError):
            while True:
                leaked.enter_context(operated.connect(SERVICE, application="leak"))
        with pytest.raises(DatabaseUnavailable) as refused:
            operated.activity.view()
    assert "lets nobody in: remaining connection slots are reserved" in refused.value.what
    assert "GRANT pg_use_reserved_connections TO ue_operator" in refused.value.remedy


def test_a_server_that_is_away_says_so_without_its_password() -> None:
    nowhere = PostgresServer(name="none", folder=Path("/nowhere"), port=1, sockets=Path("/nowhere"))
    away = Operated(server=nowhere, authority=None)
    with pytest.raises(DatabaseUnavailable) as refused:
        away.activity.view()
    assert "pass:word" not in refused.value.what
