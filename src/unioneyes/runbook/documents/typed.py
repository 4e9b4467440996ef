"""What a person would type to do what a block does."""

from __future__ import annotations

import shlex

from unioneyes.ports.secrets import SCHEME
from unioneyes.runbook.documents.model import Language
from unioneyes.runbook.documents.plan import PlannedBlock
from unioneyes.runbook.documents.sql import read_statements
from unioneyes.runbook.plan import Effect

READ_ONLY = {"PGOPTIONS": "-c default_transaction_read_only=on"}
"""What a block that reads gets: psql in it can change nothing, whatever the rule overlooked."""
_STOPS = "set -euo pipefail"
"""Bash's options: the first command that fails ends the block, also in a pipeline, and so does a variable without a value."""
_PSQL = "psql -X -v ON_ERROR_STOP=1"
_OWN_TRANSACTION = {"BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT"}


def typed_command(block: PlannedBlock, code: str, *, sql_by: str) -> str:
    """Return `code` with what it is run with: its environment and bash's options; for SQL, `sql_by`, told to stop at the first error, in one transaction."""
    reads = READ_ONLY if block.effect is Effect.READ else {}
    if block.language is Language.SQL:
        settings = "".join(f"{name}={shlex.quote(value)} " for name, value in reads.items())
        once = "" if any(statement.verb in _OWN_TRANSACTION for statement in read_statements(code)) else " --single-transaction"
        return f"{settings}{_PSQL}{once} {sql_by.removeprefix('psql ')} <<'SQL'\n{code}\nSQL"
    given = [f"{name}={shlex.quote(value)}" for name, value in {**reads, **block.variables}.items()]
    held = [f'{name}="$(cat {shlex.quote(place)})"' for name, place in block.secrets.items() if not place.startswith(SCHEME)]
    exported = f"export {' '.join([*given, *held])}\n" if given or held else ""
    demanded = "".join(f': "${{{name}:?is {place}}}"\n' for name, place in block.secrets.items() if place.startswith(SCHEME))
    return f"{_STOPS}\n{exported}{demanded}{code}"
