"""What a person would type to do what a block does."""

from __future__ import annotations

import shlex

from unioneyes.runbook.documents.model import Language
from unioneyes.runbook.documents.plan import PlannedBlock


def typed_command(block: PlannedBlock, code: str, *, sql_by: str) -> str:
    """Return `code` with the environment that it gets; SQL as it is given to `sql_by`."""
    if block.language is Language.SQL:
        return f"{sql_by} <<'SQL'\n{code}\nSQL"
    given = [f"{name}={shlex.quote(value)}" for name, value in block.variables.items()]
    held = [f'{name}="$(cat {shlex.quote(path)})"' for name, path in block.secrets.items()]
    exported = f"export {' '.join([*given, *held])}\n" if given or held else ""
    return f"{exported}{code}"
