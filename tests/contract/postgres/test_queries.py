"""What the port `Queries` promises, on a real PostgreSQL."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest

from tests.contract.postgres.conftest import Database
from unioneyes.adapters.postgres.bootstrap import OWNER
from unioneyes.adapters.postgres.queries import OperatedQueries
from unioneyes.ports.database import DatabaseUnavailable
from unioneyes.ports.shell import BlockFailed, BlockTookTooLong, Ran

SOON = timedelta(seconds=20)


class ToldToStop(BaseException):
    """Stands for a run that is stopped."""


def quiet() -> None:
    """Nobody stops it."""


@pytest.fixture
def queries(database: Database) -> OperatedQueries:
    with database.connect(OWNER) as connection:
        connection.execute("CREATE TABLE marks (what text)")
    return OperatedQueries(database_url=database.url(OWNER))


def run(queries: OperatedQueries, text: str, *, read_only: bool = False, within: timedelta = SOON) -> Ran:
    return queries.run(text, read_only=read_only, within=within, meanwhile=quiet)


def test_every_statement_is_done_and_shown(queries: OperatedQueries) -> None:
    ran = run(queries, "INSERT INTO marks VALUES ('a'), (NULL); SELECT what, 1 AS one FROM marks ORDER BY what; -- done\n")
    assert ran.output.splitlines() == ["INSERT 0 2", "what | one", "a | 1", " | 1", "(2 rows)"]


def test_all_of_a_block_or_none(queries: OperatedQueries, database: Database) -> None:
    with pytest.raises(BlockFailed, match='line 2 of the block: relation "nowhere" does not exist'):
        run(queries, "INSERT INTO marks VALUES ('a');\nSELECT * FROM nowhere;")
    assert database.value("SELECT count(*) FROM marks") == 0


def test_a_statement_that_stands_outside_transactions_runs_alone(queries: OperatedQueries) -> None:
    assert run(queries, "VACUUM marks").output == "VACUUM"


@pytest.mark.parametrize("text", ["INSERT INTO marks VALUES ('a')", "DROP TABLE marks", "WITH a AS (DELETE FROM marks RETURNING 1) SELECT * FROM a"])
def test_a_block_that_reads_can_not_change(queries: OperatedQueries, text: str) -> None:
    with pytest.raises(BlockFailed, match="read-only transaction"):
        run(queries, text, read_only=True)


def test_a_percent_sign_is_one(queries: OperatedQueries) -> None:
    assert run(queries, "SELECT 'a' LIKE '%a%' AS found", read_only=True).output.splitlines() == ["found", "True", "(1 rows)"]


def test_a_statement_that_takes_too_long_is_cancelled(queries: OperatedQueries) -> None:
    began = time.monotonic()
    with pytest.raises(BlockTookTooLong):
        run(queries, "SELECT pg_sleep(60)", within=timedelta(seconds=1))
    assert time.monotonic() - began < 10


def test_many_short_statements_are_held_to_the_same_time(queries: OperatedQueries, database: Database) -> None:
    with pytest.raises(BlockTookTooLong):
        run(queries, "INSERT INTO marks VALUES ('a'); " + "SELECT pg_sleep(0.5); " * 20, within=timedelta(seconds=1))
    assert database.value("SELECT count(*) FROM marks") == 0


def test_whoever_looks_can_end_it(queries: OperatedQueries, database: Database) -> None:
    looked = 0

    def look() -> None:
        nonlocal looked
        looked += 1
        if looked > 3:
            raise ToldToStop

    with pytest.raises(ToldToStop):
        queries.run("INSERT INTO marks VALUES ('a'); SELECT pg_sleep(60)", read_only=False, within=SOON, meanwhile=look)
    assert database.value("SELECT count(*) FROM marks") == 0
    assert database.value("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND application_name = 'ue runbook'") == 0


def test_a_lost_connection_leaves_the_effect_unknown(queries: OperatedQueries) -> None:
    with pytest.raises(BlockFailed, match="whether the block took effect is not known"):
        run(queries, "SELECT pg_terminate_backend(pg_backend_pid())")


def test_long_results_are_cut(queries: OperatedQueries) -> None:
    output = run(queries, "SELECT repeat('x', 1000) FROM generate_series(1, 1000)", read_only=True).output.splitlines()
    assert len(output) == 52
    assert output[-1] == "(1000 rows, the first 50 shown)"
    assert max(map(len, output)) == 203


def test_what_a_person_would_type_holds_no_password(queries: OperatedQueries, database: Database) -> None:
    assert database.name in queries.describe()
    assert "pass" not in queries.describe()


def test_a_server_that_is_away_is_told(database: Database) -> None:
    gone = OperatedQueries(database_url=database.server.url(role=OWNER, password=database.url(OWNER), database="nowhere"))
    with pytest.raises(DatabaseUnavailable):
        run(gone, "SELECT 1")
