"""Who must be asked before what: nothing for reading and for local, a yes for what can be undone, a name for what can't."""

from __future__ import annotations

import sys

from unioneyes.ports.environment import Facts
from unioneyes.runbook.problems import NotConfirmed
from unioneyes.runbook.views import PlanView


def confirm_reversible(facts: Facts, change: str, *, yes: bool) -> None:
    """The person wants `change`, which can be undone. Raises: NotConfirmed."""
    if not facts.production or yes:
        return
    if not sys.stdin.isatty():
        raise NotConfirmed(what=f"{facts.name} is a production environment, and nobody is here to ask", remedy="add --yes")
    _ask(f"{facts.name} (PRODUCTION): {change}. Go on? [y/N] ")
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise NotConfirmed(what="not confirmed; nothing was changed", remedy="answer y, or add --yes")


def confirm_irreversible(facts: Facts, plan: PlanView, name: str, *, typed: str | None) -> str:
    """The person wants what can't be brought back, and named it: by `typed`, or when asked. Everywhere, also locally. Raises: NotConfirmed."""
    if typed is None:
        if not sys.stdin.isatty():
            raise NotConfirmed(what=f"{plan.summary}: this can't be brought back, and nobody is here to ask", remedy=f"add --confirm {name}")
        where = f"{facts.name} (PRODUCTION)" if facts.production else facts.name
        seen = "".join(f"  {reading.name}: {reading.value}\n" for reading in plan.readings)
        _ask(f"{where}: {plan.summary}.\n{seen}This can't be brought back. Type {name} to go on: ")
        typed = sys.stdin.readline().strip()
    if typed != name:
        raise NotConfirmed(what=f"{typed!r} is not {name!r}; nothing was changed", remedy=f"add --confirm {name}, or type it when asked")
    return typed


def asked_reason(facts: Facts, question: str) -> str:
    """Return why, from whoever types it: `question` is "why do you go in"; empty where nothing is typed."""
    _ask(f"{f'{facts.name} (PRODUCTION)' if facts.production else facts.name}: {question}? ")
    return sys.stdin.readline().strip()


def _ask(question: str) -> None:
    print(question, end="", file=sys.stderr, flush=True)  # noqa: T201 - a question
