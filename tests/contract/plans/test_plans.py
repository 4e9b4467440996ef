"""What the plans' port promises, on PostgreSQL 18 and on 15 by TLS: nothing is changed whatever is asked for, and no value is shown."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.contract.postgres.operated import Operated
from unioneyes.adapters.postgres.bootstrap import OWNER, SERVICE
from unioneyes.adapters.postgres.plans import ServerPlans
from unioneyes.adapters.postgres.server import SUPERUSER
from unioneyes.operations.database.explaining import plan_shown
from unioneyes.ports.plans import MayTooMuch, NotExplained, TookTooLong

pytestmark = pytest.mark.stack


@pytest.fixture
def plans(operated: Operated) -> Iterator[ServerPlans]:
    """The service may do anything to a large table."""
    with operated.connect(OWNER) as owner:
        owner.execute("GRANT USAGE ON SCHEMA public TO claims_app")
        owner.execute("CREATE TABLE members (id int PRIMARY KEY, union_no int, name text); GRANT ALL ON members TO claims_app")
        owner.execute("INSERT INTO members SELECT g, g % 5000, 'member ' || g FROM generate_series(1, 50000) AS g")
        owner.execute("ANALYZE members; CREATE SEQUENCE numbers; GRANT ALL ON SEQUENCE numbers TO claims_app; CREATE TABLE hidden (id int)")
        yield ServerPlans(database_url=lambda: operated.url(SERVICE))
        owner.execute("DROP TABLE members, hidden; DROP SEQUENCE numbers")


def rows(operated: Operated) -> int:
    with operated.connect(OWNER) as owner:
        return int(owner.execute("SELECT count(*) FROM members WHERE name <> 'gone'").fetchall()[0][0])


def modern(operated: Operated) -> bool:
    with operated.connect() as admin:
        return admin.info.server_version >= 160_000


def test_a_plan_says_what_would_help_and_holds_no_value(plans: ServerPlans) -> None:
    explained = plans.explain("SELECT * FROM members WHERE union_no = 4711 AND name = 'Jane Doe'", typed=True)
    shown = plan_shown(explained)
    assert "Jane" not in str(explained)
    assert "4711" not in str(explained)
    assert explained.query == "SELECT * FROM members WHERE union_no = ? AND name = ?"
    assert (explained.role, explained.generic, explained.analyzed) == (SERVICE, False, False)
    assert [(each.kind, each.on) for each in shown.nodes] == [("Seq Scan", "public.members")]
    assert shown.nodes[0].condition.count("= ?") == 2
    assert [each.suggestion for each in shown.findings] == ["CREATE INDEX CONCURRENTLY ON public.members (union_no, name);"]
    assert [(each.name, each.rows) for each in explained.tables] == [("public.members", 50_000)]


def test_parameters_make_a_generic_plan_where_the_server_can(plans: ServerPlans, operated: Operated) -> None:
    statement = "SELECT name FROM members WHERE id = $1"
    if modern(operated):
        explained = plans.explain(statement, typed=True)
        assert explained.generic
        assert plan_shown(explained).nodes[0].condition == "(members.id = $1)"
    else:
        with pytest.raises(NotExplained, match="15 and older"):
            plans.explain(statement, typed=True)
    with pytest.raises(NotExplained, match="without their values"):
        plans.analyze(statement, typed=True)
    assert not plans.explain("SELECT '$1' -- $2", typed=True).generic


def test_what_writes_is_explained_and_never_carried_out(plans: ServerPlans, operated: Operated) -> None:
    for statement in ("DELETE FROM members", "UPDATE members SET name = 'gone'", "INSERT INTO members SELECT id + 90000, 1, 'new' FROM members"):
        plans.explain(statement, typed=True)
        with pytest.raises(NotExplained, match="read-only transaction"):
            plans.analyze(statement, typed=True)
    assert rows(operated) == 50_000


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1; COMMIT; DELETE FROM members",
        "SELECT 1; DELETE FROM members",
        "SELECT $1::int; COMMIT; DELETE FROM members",
        "SELECT $1::int; DELETE FROM members",
        "SELECT 1) DELETE FROM members; --",
        "ANALYZE DELETE FROM members",
        "(ANALYZE) DELETE FROM members",
        "ANALYZE",
        "",
        "COMMIT",
        "SET transaction_read_only = off",
        "WITH gone AS (DELETE FROM members RETURNING id) SELECT * FROM gone; COMMIT",
    ],
)
def test_nothing_else_gets_through(plans: ServerPlans, operated: Operated, statement: str) -> None:
    for asked in (plans.explain, plans.analyze):
        with pytest.raises(NotExplained):
            asked(statement, typed=True)
    assert rows(operated) == 50_000


def test_what_is_analyzed_ran_once_and_says_what_happened(plans: ServerPlans, operated: Operated) -> None:
    explained = plans.analyze("SELECT * FROM members WHERE union_no = 4711", typed=True)
    (node,) = plan_shown(explained).nodes
    assert (node.rows_seen, node.thrown_away, node.loops) == (10, 49_990, 1)
    assert node.took is not None
    for writes in ("SELECT nextval('numbers')", "WITH gone AS (DELETE FROM members RETURNING id) SELECT * FROM gone", "SELECT * FROM members FOR UPDATE"):
        with pytest.raises(NotExplained):
            plans.analyze(writes, typed=True)
    assert rows(operated) == 50_000


def test_it_ends_in_time_and_waits_for_no_lock(plans: ServerPlans, operated: Operated) -> None:
    began = time.monotonic()
    with pytest.raises(TookTooLong, match="statement timeout"):
        plans.analyze("SELECT count(*) FROM members a, members b, members c", typed=True)
    assert time.monotonic() - began < 60
    with operated.connect(OWNER) as owner, owner.transaction():
        owner.execute("LOCK TABLE members")
        with pytest.raises(TookTooLong, match="lock timeout"):
            plans.explain("SELECT * FROM members", typed=True)


def test_no_session_and_no_transaction_stays_behind(plans: ServerPlans, operated: Operated) -> None:
    plans.analyze("SELECT count(*) FROM members", typed=True)
    with operated.connect() as admin:
        assert admin.execute("SELECT pid FROM pg_stat_activity WHERE application_name = 'ue-explain'").fetchall() == []


def test_a_superuser_is_refused_for_no_transaction_holds_it(plans: ServerPlans, operated: Operated) -> None:
    del plans
    with pytest.raises(MayTooMuch):
        ServerPlans(database_url=lambda: operated.url(SUPERUSER)).analyze("SELECT 1", typed=True)


def test_the_server_s_words_are_those_of_what_was_typed_alone(plans: ServerPlans) -> None:
    wrong = "SELECT *\nFROM members\nWHERE id = 'Jane Doe'"
    with pytest.raises(NotExplained) as typed:
        plans.explain(wrong, typed=True)
    assert typed.value.what == 'line 3: invalid input syntax for type integer: "Jane Doe"'
    with pytest.raises(NotExplained) as of_a_member:
        plans.explain(wrong, typed=False)
    assert "Jane" not in of_a_member.value.what
    with pytest.raises(NotExplained) as hidden:
        plans.explain("SELECT * FROM hidden", typed=True)
    assert "permission denied for table hidden" in hidden.value.what
    with pytest.raises(NotExplained, match="does not exist"):
        plans.explain("SELECT * FROM no_such_table", typed=True)
