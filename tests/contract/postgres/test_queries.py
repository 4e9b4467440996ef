"""What the port `Queries` promises, on a real PostgreSQL."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.contract.postgres.conftest import Database
from unioneyes.adapters.postgres.bootstrap import OWNER
from unioneyes.adapters.postgres.queries import OperatedQueries
from unioneyes.kernel.output import HEAD, TAIL
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
    assert run(queries, "SELECT 'a' LIKE '%a%' AS found", read_only=True).output.splitlines() == ["found", "t", "(1 rows)"]


def test_a_statement_that_takes_too_long_is_cancelled(queries: OperatedQueries) -> None:
    with pytest.raises(BlockTookTooLong):
        run(queries, "SELECT pg_sleep(6000)", within=timedelta(seconds=1))


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
    output = run(queries, "SELECT n FROM generate_series(1, 1000) AS n", read_only=True).output.splitlines()
    assert output == ["n", *map(str, range(1, 51)), "(1000 rows, the first 50 shown)"]


def test_what_is_told_is_bounded_over_rows_columns_and_statements(queries: OperatedQueries) -> None:
    wide = ", ".join(f"repeat('x', 400) AS {'c' * 40}{number}" for number in range(100))
    output = run(queries, f"SELECT {wide}; " + "SELECT repeat('y', 900) FROM generate_series(1, 60); " * 20, read_only=True).output
    assert len(output) < HEAD + TAIL + 200
    assert output.endswith("(60 rows, the first 50 shown)")


def test_a_long_value_is_told_whole_or_not_at_all(queries: OperatedQueries) -> None:
    output = run(queries, "SELECT repeat('x', 1000), repeat('y', 1001)", read_only=True).output
    assert output.splitlines()[1] == f"{'x' * 1000} | (1,001 bytes)"


def test_what_terminals_obey_is_not_told(queries: OperatedQueries) -> None:
    assert run(queries, r"SELECT E'\x1b[31mred' AS a", read_only=True).output.splitlines()[1] == "[31mred"
    with pytest.raises(BlockFailed) as failed:
        run(queries, r"DO $$ BEGIN RAISE EXCEPTION E'\x1b[31mred'; END $$")
    assert "\x1b" not in failed.value.what


def test_a_large_result_takes_no_memory(queries: OperatedQueries) -> None:
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here on
    before = peak()
    ran = run(queries, "SELECT repeat('x', 1000) FROM generate_series(1, 100000)", read_only=True, within=timedelta(minutes=2))
    assert ran.output.endswith("(100000 rows, the first 50 shown)")
    assert peak() - before < 30 * 1024


def peak() -> int:
    """Return the most memory that this process held, in KiB."""
    return next(int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))


def test_rows_that_a_change_returns_are_shown_and_all_are_changed(queries: OperatedQueries, database: Database) -> None:
    output = run(queries, "INSERT INTO marks SELECT n::text FROM generate_series(1, 120) AS n RETURNING what; SELECT 1 WHERE false").output
    assert output.splitlines()[-4:] == ["50", "(120 rows, the first 50 shown)", "?column?", "(0 rows)"]
    assert database.value("SELECT count(*) FROM marks") == 120


def test_a_person_who_cancels_it_is_not_told_as_its_time(queries: OperatedQueries, database: Database) -> None:
    def look() -> None:
        database.value("SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE application_name = 'ue runbook' AND query LIKE '%sleep(6000)'")

    with pytest.raises(BlockFailed, match="canceling statement due to user request; what was not committed is not kept"):
        queries.run("SELECT pg_sleep(6000)", read_only=False, within=timedelta(minutes=5), meanwhile=look)


@pytest.mark.parametrize("text", ["COPY marks TO STDOUT", "COPY marks FROM STDIN", "INSERT INTO marks VALUES ('a'); COPY marks TO STDOUT"])
def test_copying_from_or_to_whoever_asks_is_refused(queries: OperatedQueries, database: Database, text: str) -> None:
    with pytest.raises(BlockFailed, match="COPY from or to whoever sends the SQL can't be done here; nothing was done"):
        run(queries, text)
    assert database.value("SELECT count(*) FROM marks") == 0


def test_copying_that_nobody_foresaw_ends_the_block(queries: OperatedQueries, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unioneyes.adapters.postgres.queries.statements", lambda _text: ())
    for text in ("COPY marks TO STDOUT", "COPY marks FROM STDIN"):
        with pytest.raises(BlockFailed, match="whether the block took effect is not known"):
            run(queries, text)


@pytest.mark.parametrize(
    "text",
    [
        "BEGIN READ WRITE; INSERT INTO marks VALUES ('a'); COMMIT",
        "SELECT 1;\nCOMMIT; BEGIN READ WRITE; INSERT INTO marks VALUES ('a'); COMMIT",
        "ROLLBACK; START TRANSACTION READ WRITE; INSERT INTO marks VALUES ('a'); END",
        "SET TRANSACTION READ WRITE; INSERT INTO marks VALUES ('a')",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE; INSERT INTO marks VALUES ('a')",
        "SET default_transaction_read_only = off; INSERT INTO marks VALUES ('a')",
        "SET transaction_read_only = off; INSERT INTO marks VALUES ('a')",
        "SELECT set_config('transaction_read_only', 'off', true); INSERT INTO marks VALUES ('a')",
        "DO $$ BEGIN COMMIT; INSERT INTO marks VALUES ('a'); END $$",
    ],
)
def test_no_text_makes_itself_one_that_writes(queries: OperatedQueries, database: Database, text: str) -> None:
    with pytest.raises(BlockFailed):
        run(queries, text, read_only=True)
    assert database.value("SELECT count(*) FROM marks") == 0


def test_a_long_text_is_sent_whole(queries: OperatedQueries) -> None:
    many = 3_000_000
    assert run(queries, f"SELECT length('{'x' * many}') AS n", read_only=True).output.splitlines()[1] == str(many)


def test_what_a_person_would_type_holds_no_password(queries: OperatedQueries, database: Database) -> None:
    assert database.name in queries.describe()
    assert "pass" not in queries.describe()


def test_a_server_that_is_away_is_told(database: Database) -> None:
    gone = OperatedQueries(database_url=database.server.url(role=OWNER, password=database.url(OWNER), database="nowhere"))
    with pytest.raises(DatabaseUnavailable):
        run(gone, "SELECT 1")
