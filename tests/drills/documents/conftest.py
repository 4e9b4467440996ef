"""A stack with a folder of own runbooks."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from pydantic import JsonValue

from tests.stack import DRILL_SETTINGS, RunningStack, Said, eventually, running_stack
from unioneyes.adapters.postgres.bootstrap import OWNER
from unioneyes.environments.local.stack import open_stack


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """A running stack, and the folder that it takes own runbooks from."""

    stack: RunningStack
    folder: Path

    def write(self, name: str, text: str) -> str:
        (self.folder / name).write_text(text)
        return name

    def run(self, name: str, *words: str, within: float = 60) -> Said:
        return self.stack.ue("runbook", "run", name, *words, within=within)

    def started(self, name: str, *words: str) -> str:
        """Start a run, leave it alone, and return its id."""
        said = self.run(name, "--detach", "-o", "json", *words)
        assert said.code == 8, said.err
        return str(said.json()["id"])

    def view(self, run: str) -> dict[str, JsonValue]:
        return self.stack.ue("run", "show", run, "-o", "json").json()

    def until(self, run: str, status: str, *, within: float = 40) -> None:
        assert eventually(lambda: self.view(run)["status"] == status, within=within), self.view(run)

    def journal(self, run: str) -> list[dict[str, JsonValue]]:
        found = json.loads(self.stack.ue("run", "logs", run, "-o", "json").out)
        assert isinstance(found, list)
        return found

    def outputs(self, run: str) -> str:
        return "\n".join(str(entry["data"]["output"]) for entry in self.journal(run) if isinstance(entry["data"], dict) and "output" in entry["data"])

    def operated(self, query: str) -> list[tuple[object, ...]]:
        """Return what the operated database answers."""

        with psycopg.connect(open_stack(self.stack.home).database_url(OWNER).get_secret_value(), autocommit=True) as connection:
            answered = connection.execute(query.encode())
            return answered.fetchall() if answered.description else []

    def kept_of(self, canary: str) -> list[str]:
        """Return the tables of the control plane's database in which `canary` stands."""
        with psycopg.connect(open_stack(self.stack.home).control_database_url.get_secret_value(), autocommit=True) as connection:
            tables = connection.execute(
                "SELECT format('%I.%I', table_schema, table_name) FROM information_schema.tables "
                "WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')"
            ).fetchall()
            statement = "SELECT count(*) FROM {} t WHERE t::text LIKE %s"
            counted = {table: connection.execute(statement.format(table).encode(), (f"%{canary}%",)).fetchone() for (table,) in tables}
            return [table for table, row in counted.items() if row and row[0]]


@pytest.fixture(scope="module")
def own() -> Iterator[Own]:
    with tempfile.TemporaryDirectory(prefix="ue-own-") as folder, running_stack(settings=f'{DRILL_SETTINGS}\n[runbooks]\nfolder = "{folder}"\n') as stack:
        made = Own(stack=stack, folder=Path(folder))
        made.operated("CREATE TABLE own_marks (what text)")
        yield made
