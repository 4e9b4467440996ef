"""Which sessions may be ended, and why each other stays."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cyclopts import Token
from hypothesis import given
from hypothesis import strategies as st

from unioneyes.cli.db import NothingIsEnded, older_than
from unioneyes.cli.dbtexts import ended_text
from unioneyes.cli.output import Ink
from unioneyes.environments.settings import POOLERS
from unioneyes.operations.database.connections import Doing, connections, queries
from unioneyes.operations.database.sessions import Judged, NoIdleTime, judged, named
from unioneyes.operations.database.sessions_model import EndIdleRequest, Idleness, MayNotEnd, NoSuchSession, SessionsEnded
from unioneyes.ports.activity import ActivityView, Limits, Outcome, Sent, Session

AT = datetime(2026, 2, 9, 3, 0, tzinfo=UTC)
TEN = timedelta(minutes=10)


def session(
    pid: int = 1,
    *,
    kind: str = "client backend",
    user: str = "claims_app",
    application: str = "claims blue-1",
    state: str = "idle",
    idle_for: timedelta | None = timedelta(minutes=11),
    superuser: bool = False,
    database: str = "unioneyes",
    blocked_by: tuple[int, ...] = (),
) -> Session:
    since = None if idle_for is None else AT - idle_for
    return Session(
        pid=pid,
        started=AT - timedelta(days=1),
        kind=kind,
        database=database,
        user=user,
        application=application,
        client="10.0.0.7",
        state=state,
        state_since=since,
        query_since=since,
        transaction_since=since if state != "idle" else None,
        waits_for="Lock: relation" if blocked_by else "",
        lock="",
        blocked_by=blocked_by,
        superuser=superuser,
        query="SELECT ?",
        query_id="",
    )


def view(*sessions: Session) -> ActivityView:
    return ActivityView(at=AT, limits=Limits(connections=100, reserved=3), sessions=sessions)


USUAL = EndIdleRequest()


def why(found: Session, request: EndIdleRequest = USUAL) -> str | None:
    return judged(view(found), request, protect=POOLERS)[0].kept


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (session(), None),
        (session(idle_for=TEN + timedelta(microseconds=1)), None),
        (session(idle_for=TEN), "idle for 10 min only"),
        (session(idle_for=None), "nobody says since when it is idle"),
        (session(state="active"), "it is active"),
        (session(state="idle in transaction"), "it is idle in transaction"),
        (session(state=""), "nobody says what it does"),
        (session(superuser=True, user="postgres"), "its role postgres is a superuser"),
        (session(kind="walsender", application="replica"), "it streams to a replica, or takes a backup"),
        (session(kind="autovacuum launcher", application="", user="", state=""), "it is PostgreSQL's own (autovacuum launcher)"),
        (session(application="ue-backup", user="claims_owner"), "it is ue's own"),
        (session(application="ue runbook", user="claims_owner"), "it is ue's own"),
        (session(application="pg_dump", user="ue_backup"), "it is ue's own"),
        (session(application="PgBouncer 1.25"), "PgBouncer 1.25 is protected ([sessions] protect has pgbouncer*)"),
    ],
)
def test_each_session_that_stays_has_its_reason(found: Session, reason: str | None) -> None:
    assert why(found) == reason


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (EndIdleRequest(app="claims*", user="claims_app", database="unioneyes"), None),
        (EndIdleRequest(app="CLAIMS blue-1"), None),
        (EndIdleRequest(app="psql"), "its application is claims blue-1"),
        (EndIdleRequest(user="somebody"), "its role is claims_app"),
        (EndIdleRequest(database="other"), "its database is unioneyes"),
        (EndIdleRequest(older_than=timedelta(hours=1)), "idle for 11 min only"),
        (EndIdleRequest(state=Idleness.IN_TRANSACTION), "it is idle"),
        (EndIdleRequest(state=Idleness.ANY), None),
    ],
)
def test_only_those_end_that_were_meant(request_: EndIdleRequest, reason: str | None) -> None:
    assert why(session(), request_) == reason


@pytest.mark.parametrize("state", ["idle in transaction", "idle in transaction (aborted)"])
def test_what_holds_locks_and_does_nothing_ends_where_that_was_asked_for(state: str) -> None:
    assert why(session(state=state), EndIdleRequest(state=Idleness.IN_TRANSACTION)) is None


@pytest.mark.parametrize("seconds", [0, -5, 0.5])
def test_what_is_idle_for_a_moment_is_in_use(seconds: float) -> None:
    with pytest.raises(NoIdleTime):
        why(session(), EndIdleRequest(older_than=timedelta(seconds=seconds)))


def test_who_is_meant_is_said_in_words_a_person_agrees_to() -> None:
    assert USUAL.meant == "idle for more than 10 min"
    asked = EndIdleRequest(older_than=timedelta(hours=1), state=Idleness.IN_TRANSACTION, app="claims*", user="claims_app", database="unioneyes")
    assert asked.meant == "idle in a transaction for more than 1 h, application claims*, role claims_app, database unioneyes"
    assert EndIdleRequest(app="").meant == "idle for more than 10 min, application without a name"


def test_those_without_a_name_are_meant_by_an_empty_one() -> None:
    seen = view(session(1), session(2, application=""))
    assert [each.pid for each in connections(seen, app="", user=None, database=None, state=Doing.ANY).sessions] == [2]


@pytest.mark.parametrize("typed", ["10", "1.5"])
def test_a_time_without_a_unit_ends_nobody(typed: str) -> None:
    with pytest.raises(NothingIsEnded) as refused:
        older_than(timedelta, (Token(keyword="--older-than", value=typed),))
    assert refused.value.what == f"{typed} may be seconds or minutes"
    assert older_than(timedelta, (Token(keyword="--older-than", value="10m"),)) == TEN


def test_a_receipt_says_what_became_of_each() -> None:
    sent = (Sent(pid=1, outcome=Outcome.ENDED), Sent(pid=2, outcome=Outcome.CHANGED), Sent(pid=3, outcome=Outcome.GONE))
    text = ended_text(Ink(colour=False), SessionsEnded(sent=sent, kept=4, took=timedelta(0)))
    assert "changed  1 (2) has done something since, and was left alone" in text
    assert "none; --dry-run says of each" in ended_text(Ink(colour=False), SessionsEnded(sent=(), kept=4, took=timedelta(0)))


def test_whoever_is_named_ends_unless_nobody_may() -> None:
    seen = view(session(7, state="active", application="psql"), session(8, superuser=True, user="postgres"), session(9, application="pgbouncer"))
    assert named(seen, 7, protect=POOLERS).pid == 7
    with pytest.raises(NoSuchSession, match="6"):
        named(seen, 6, protect=POOLERS)
    for pid in (8, 9):
        with pytest.raises(MayNotEnd, match=str(pid)):
            named(seen, pid, protect=POOLERS)


def test_connections_count_against_the_limit_whatever_was_asked_for() -> None:
    seen = view(session(1), session(2), session(3, application="psql", state="active"), session(4, kind="walsender"), session(5, kind="checkpointer"))
    found = connections(seen, app="claims*", user=None, database=None, state=Doing.ANY)
    assert (found.used, [each.pid for each in found.sessions]) == (4, [1, 2])
    assert [(group.count, group.application, group.longest) for group in found.groups] == [(2, "claims blue-1", timedelta(minutes=11))]
    assert [each.pid for each in connections(seen, app=None, user=None, database=None, state=Doing.ACTIVE).sessions] == [3]


def test_what_runs_longest_comes_first() -> None:
    seen = view(session(1, state="active", idle_for=timedelta(seconds=3)), session(2, state="idle in transaction"), session(3), session(4, state="active"))
    assert [each.pid for each in queries(seen).sessions] == [2, 4, 1]


STATES = st.sampled_from(["active", "idle", "idle in transaction", "idle in transaction (aborted)", "fastpath function call", "disabled", ""])
SESSIONS = st.builds(
    session,
    st.integers(1, 10**6),
    kind=st.sampled_from(["client backend", "walsender", "parallel worker", "autovacuum worker", "logical replication worker", ""]),
    user=st.sampled_from(["claims_app", "ue_backup", "ue_operator", "postgres", ""]),
    application=st.one_of(st.sampled_from(["ue-backup", "ue runbook", "pgbouncer", "claims blue-1", "uemura", ""]), st.text(max_size=10)),
    state=STATES,
    idle_for=st.one_of(st.none(), st.timedeltas(timedelta(seconds=-5), timedelta(days=30))),
    superuser=st.booleans(),
)
REQUESTS = st.builds(EndIdleRequest, older_than=st.timedeltas(timedelta(seconds=1), timedelta(days=2)), state=st.sampled_from(Idleness))


@given(st.lists(SESSIONS, max_size=20, unique_by=lambda each: each.pid), REQUESTS)
def test_nothing_ends_that_works_replicates_rules_or_is_ours(sessions: list[Session], request: EndIdleRequest) -> None:
    found = judged(view(*sessions), request, protect=POOLERS)
    assert [each.session for each in found] == sessions
    for each in found:
        assert each.kept != ""
        if each.kept is None:
            require_harmless(each, request)


def require_harmless(each: Judged, request: EndIdleRequest) -> None:
    ending = each.session
    assert ending.kind == "client backend"
    assert ending.state.startswith("idle")
    assert not ending.superuser
    assert not ending.application.startswith(("ue-", "ue "))
    assert not ending.user.startswith("ue_")
    assert not ending.application.lower().startswith("pgbouncer")
    assert ending.state_since is not None
    assert AT - ending.state_since > request.older_than
