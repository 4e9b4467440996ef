"""Scripts and SQL of people's own runbooks end, or never begin, where another worker has their run; also where that one only asks a person about them."""

from __future__ import annotations

import inspect
from datetime import timedelta
from functools import partial
from pathlib import Path
from types import CodeType

import pytest

from tests.contract.fencing.late import late, taken_over
from tests.contract.migrations.test_migrations import Folder
from tests.contract.postgres.conftest import Database
from tests.contract.processes.conftest import alive
from tests.stack import eventually
from unioneyes.adapters.postgres import fence
from unioneyes.adapters.postgres.bootstrap import OWNER
from unioneyes.adapters.postgres.queries import OperatedQueries
from unioneyes.adapters.postgres.simple import Simple
from unioneyes.adapters.shell import BashShell
from unioneyes.adapters.shell.leashed import Leashed, leashed
from unioneyes.kernel.fencing import Fence
from unioneyes.runbook.documents.model import Language
from unioneyes.runbook.documents.plan import PlannedBlock
from unioneyes.runbook.documents.steps import end_earlier
from unioneyes.runbook.plan import Effect

pytestmark = pytest.mark.stack

WITHIN = timedelta(seconds=60)


@pytest.mark.parametrize(
    "before",
    [fence.enter_until_closed.__code__, Simple.results.__code__, Simple._next.__code__],
    ids=["before it comes in", "before it is sent", "while PostgreSQL is at work"],
)
@pytest.mark.parametrize("newer", ["sql", "migration"])
def test_sql_of_runbooks(database: Database, tmp_path: Path, before: CodeType, newer: str) -> None:
    marks = Marks(database)
    with late(lambda: marks.run("SELECT pg_sleep(2); INSERT INTO marks VALUES ('late')"), before=before) as stopped:
        with taken_over():
            if newer == "sql":
                marks.run("INSERT INTO marks VALUES ('newer')")
            else:
                folder = Folder(path=tmp_path / "migrations")
                folder.write()
                made = folder.migrations(database)
                made.apply(made.folder("1.0.0"))
        assert stopped.wake() == "fenced-off"
    assert eventually(marks.quiet)
    assert marks.all() == (["newer"] if newer == "sql" else [])


def test_sql_of_runbooks_in_a_transaction_of_its_own(database: Database) -> None:
    marks = Marks(database)
    text = "BEGIN; INSERT INTO marks VALUES ('early'); COMMIT; SELECT pg_sleep(2); BEGIN; INSERT INTO marks VALUES ('late'); COMMIT"
    with late(lambda: marks.run(text), before=Simple._next.__code__) as stopped:
        assert eventually(lambda: marks.all() == ["early"])
        with taken_over():
            marks.run("DELETE FROM marks")
        assert stopped.wake() == "fenced-off"
    assert eventually(marks.quiet)
    assert marks.all() == []


def test_a_block_that_was_not_begun_yet(tmp_path: Path) -> None:
    shell = BashShell(folder=tmp_path, points_at={}, fence=Fence(tmp_path / "blocks.lock"))
    with late(lambda: block(shell, "echo late >>done"), before=inspect.unwrap(leashed).__code__) as stopped:
        with taken_over():
            block(shell, "echo newer >>done")
        assert stopped.wake() == "fenced-off"
    assert (tmp_path / "done").read_text() == "newer\n"


def test_a_block_that_is_under_way_has_ended_before_the_next_begins(tmp_path: Path) -> None:
    shell = BashShell(folder=tmp_path, points_at={}, fence=Fence(tmp_path / "blocks.lock"))
    with late(lambda: block(shell, "while true; do echo late >>done; sleep 0.02; done"), before=Leashed.follow.__code__) as stopped:
        assert eventually((tmp_path / "done").exists)
        with taken_over():
            block(shell, "echo newer >>done; sleep 0.5")
        assert (tmp_path / "done").read_text().endswith("late\nnewer\n")
        assert stopped.wake() == "fenced-off"
    assert (tmp_path / "done").read_text().endswith("late\nnewer\n")


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize("under_way", [False, True], ids=["before it begins", "under way"])
def test_a_block_of_which_a_person_is_asked_what_became_of_it_does_not_go_on_meanwhile(
    database: Database,
    tmp_path: Path,
    language: Language,
    under_way: bool,  # noqa: FBT001 - a parameter
) -> None:
    shell, marks = BashShell(folder=tmp_path, points_at={}, fence=Fence(tmp_path / "blocks.lock")), Marks(database)
    begun, done = tmp_path / "begun", tmp_path / "done"
    if language is Language.SQL:
        before = Simple._next.__code__ if under_way else fence.enter_until_closed.__code__
        work = partial(marks.run, "SELECT pg_sleep(2); INSERT INTO marks VALUES ('late')")
    else:
        before = Leashed.follow.__code__ if under_way else inspect.unwrap(leashed).__code__
        work = partial(block, shell, f"echo $$ >{begun}.pid; mv {begun}.pid {begun}; sleep 2; echo late >>{done}")
    with late(work, before=before) as stopped:
        assert not under_way or eventually(lambda: begun.exists() or not marks.quiet())
        with taken_over():
            assert end_earlier(shell, marks.queries, planned(language)) == ""
        assert eventually(lambda: marks.quiet() and not (begun.exists() and alive(int(begun.read_text()))))
        assert (marks.all(), done.exists()) == ([], False)
        assert stopped.wake() == "fenced-off"
    assert (marks.all(), done.exists()) == ([], False)


def test_a_worker_that_was_overtaken_itself_asks_nobody(database: Database, tmp_path: Path) -> None:
    shell, marks = BashShell(folder=tmp_path, points_at={}, fence=Fence(tmp_path / "blocks.lock")), Marks(database)
    for language in Language:
        asked = partial(end_earlier, shell, marks.queries, planned(language))
        with late(asked, before=end_earlier.__code__) as stopped:
            with taken_over():
                assert asked() == ""
            assert stopped.wake() == "fenced-off"


def planned(language: Language) -> PlannedBlock:
    """Return a block of which only the language counts."""
    return PlannedBlock(
        step="mark:6",
        section="Mark",
        line=6,
        language=language,
        effect=Effect.CHANGE,
        code="",
        undo=None,
        variables={},
        secrets={},
        within=WITHIN,
        programs=(),
    )


class Marks:
    """A table that SQL of runbooks writes to."""

    def __init__(self, database: Database) -> None:
        self.queries = OperatedQueries(database_url=database.url(OWNER))
        self.database = database
        with database.connect(OWNER) as owner:
            owner.execute("CREATE TABLE marks (what text)")

    def run(self, text: str) -> None:
        self.queries.run(text, read_only=False, within=WITHIN, meanwhile=lambda: None)

    def quiet(self) -> bool:
        """Return whether no SQL of a runbook is at work, so that nothing is committed any more."""
        active = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'ue runbook' AND state = 'active'"
        return self.database.value(active) == 0

    def all(self) -> list[str]:
        with self.database.connect(OWNER) as owner:
            return [what for (what,) in owner.execute("SELECT what FROM marks")]


def block(shell: BashShell, script: str) -> None:
    shell.run(script, variables={}, within=WITHIN, meanwhile=lambda _line: None)
