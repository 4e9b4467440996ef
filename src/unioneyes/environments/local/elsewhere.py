"""Whether the databases that somebody else runs are as the runbooks need them."""

from __future__ import annotations

from collections.abc import Callable

from unioneyes.adapters.postgres.bootstrap import BACKUP, OPERATOR, OWNER, SERVICE
from unioneyes.adapters.postgres.examined import examine_control, examine_operated
from unioneyes.environments.local.secrets import NOBODYS
from unioneyes.environments.local.stack import Stack
from unioneyes.kernel.problems import Problem


def databases_elsewhere(stack: Stack) -> tuple[tuple[str, str | Problem], ...]:
    """Return each database's name, and what is good about it, or what is wrong. Asks both; changes nothing."""
    return (("database", _ask(lambda: _operated(stack))), ("control database", _ask(lambda: examine_control(stack.control_database_url))))


def _operated(stack: Stack) -> str:
    others = (BACKUP, *(role for role in (SERVICE, OPERATOR) if stack.passwords[role] != NOBODYS))
    managed = stack.settings.database
    said = examine_operated(
        owner=stack.database_url(OWNER),
        others=tuple(stack.database_url(role) for role in others),
        restore=stack.administrative_url("postgres") if managed and managed.restore_role else None,
    )
    return said if OPERATOR in others else f"{said}; `ue db` waits for secrets.{OPERATOR}"


def _ask(question: Callable[[], str]) -> str | Problem:
    try:
        return question()
    except Problem as problem:
        return problem
