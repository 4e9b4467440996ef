"""Who must be asked before what: nothing for reading and for local, a yes for what can be undone, a name for what can't."""

from __future__ import annotations

import sys

from unioneyes.kernel.problems import Refused
from unioneyes.ports.environment import Facts


def confirm_reversible(facts: Facts, change: str, *, yes: bool) -> None:
    """The person wants `change`, which can be undone. Raises: NotConfirmed."""
    if not facts.production or yes:
        return
    if not sys.stdin.isatty():
        raise NotConfirmed(what=f"{facts.name} is a production environment, and nobody is here to ask", remedy="add --yes")
    print(f"{facts.name} (PRODUCTION): {change}. Go on? [y/N] ", end="", file=sys.stderr, flush=True)  # noqa: T201 - a question
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise NotConfirmed(what="not confirmed; nothing was changed", remedy="answer y, or add --yes")


class NotConfirmed(Refused):
    """Nobody said yes."""
