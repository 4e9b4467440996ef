"""Documents and Python runbooks of the project's own that are disturbed. What they do is done for good each time that it is done: twice would show."""

from __future__ import annotations

from pathlib import Path

from tests.drills.kills.boundaries import Boundary
from tests.drills.main_job.main_job import JsonObject, MainJob
from unioneyes.runbook.views import EntryKind

CHANGES = ("mark-the-page", "mark-the-table")
"""Of the document: headings of the blocks that change something, in small letters."""
DOCUMENT = """\
# Marks

## Look at the page

```bash
cat "$PAGE"
```

## Mark the page

```bash
echo marked >> "$PAGE"
```

```bash undo
sed -i '$d' "$PAGE"
```

## Look at the table

```sql
SELECT count(*) AS marks FROM own_marks;
```

## Mark the table

```sql
INSERT INTO own_marks VALUES ('marked');
```

```sql undo
DELETE FROM own_marks WHERE what = 'marked';
```

## Look again

```bash
cat "$PAGE"
```
"""
READING = DOCUMENT.partition("## Mark the page")[0] + DOCUMENT[DOCUMENT.index("## Look at the table") : DOCUMENT.index("## Mark the table")]
"""The same without what changes something."""
FAILING = (
    DOCUMENT.replace("sed -i '$d'", "sed -i /marked/d")
    + """
## Look at what is not there

```bash
cat "$PAGE.none"
```
"""
)
"""The same with an end that fails, and with undos that are harmless where there is nothing to take back, as they must be. Source: docs/runbook/commands.md."""
PYTHON = '''
"""Marks a page and a table, each once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from unioneyes.ports.environment import Environment
from unioneyes.ports.queries import Queries
from unioneyes.ports.shell import Shell
from unioneyes.runbook.definition import runbook
from unioneyes.runbook.plan import Effect, Plan
from unioneyes.runbook.steps import step

WITHIN = timedelta(seconds=20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    page: str


@step(effect=Effect.READ)
def look(shell: Shell, *, page: str) -> str:
    """Somebody looked at the page."""
    return shell.run('cat "$PAGE"', variables={"PAGE": page}, within=WITHIN, meanwhile=lambda _line: None).output


@step(effect=Effect.CHANGE)
def unmark_page(shell: Shell, *, page: str) -> None:
    """The page has no mark."""
    shell.run('sed -i /marked/d "$PAGE"', variables={"PAGE": page}, within=WITHIN, meanwhile=lambda _line: None)


@step(effect=Effect.CHANGE, undo=unmark_page)
def mark_page(shell: Shell, *, page: str) -> None:
    """The page has its mark."""
    shell.run('grep -qx marked "$PAGE" || echo marked >> "$PAGE"', variables={"PAGE": page}, within=WITHIN, meanwhile=lambda _line: None)


@step(effect=Effect.CHANGE)
def unmark_table(queries: Queries) -> None:
    """The table has no mark."""
    queries.run("DELETE FROM own_marks", read_only=False, within=WITHIN, meanwhile=lambda: None)


@step(effect=Effect.CHANGE, undo=unmark_table)
def mark_table(queries: Queries) -> None:
    """The table has its mark."""
    marked = "INSERT INTO own_marks SELECT 'marked' WHERE NOT EXISTS (SELECT FROM own_marks)"
    queries.run(marked, read_only=False, within=WITHIN, meanwhile=lambda: None)


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkPlan(Plan):
    page: str


@runbook(name="own.mark", chapter="Ours")
class Marking:
    """Mark a page and a table."""

    def plan(self, env: Environment, request: Mark) -> MarkPlan:
        return MarkPlan(summary="mark", steps=(look.planned(), mark_page.planned(), mark_table.planned()), page=request.page)

    def run(self, env: Environment, plan: MarkPlan) -> str:
        seen = look(env.shell, page=plan.page)
        mark_page(env.shell, page=plan.page)
        mark_table(env.queries)
        return seen
'''


def page_of(job: MainJob) -> Path:
    """Return the page that is marked."""
    return job.runbooks / "page.txt"


def before_marks(job: MainJob) -> None:
    """Nothing is marked, whatever serves, and the Python file stands in its folder."""
    page_of(job).write_text("a page\n")
    (job.runbooks / "mark.py").write_text(PYTHON)
    with job.database() as connection:
        connection.execute("CREATE TABLE own_marks (what text)")


def without_marks(job: MainJob) -> None:
    """Nothing of an earlier run is left."""
    page_of(job).unlink(missing_ok=True)
    with job.database() as connection:
        connection.execute("DROP TABLE IF EXISTS own_marks")


def marks(job: MainJob) -> tuple[str, ...]:
    """Return what the page and the table hold; nothing where no such run was prepared."""
    if not page_of(job).exists():
        return ()
    with job.database() as connection:
        rows = connection.execute("SELECT what FROM own_marks").fetchall()
    return (*page_of(job).read_text().splitlines(), *(f"table: {what}" for (what,) in rows))


def document(job: MainJob, text: str = DOCUMENT) -> JsonObject:
    """Return the request for it."""
    return {"name": "marks.md", "text": text, "values": {"PAGE": str(page_of(job))}}


def in_doubt(boundary: Boundary) -> bool:
    """Return whether a block that changes something was carried out there, and the journal does not know it yet: no one can tell, but by looking."""
    return boundary.kind is EntryKind.STEP_DONE and boundary.step.startswith(CHANGES)
