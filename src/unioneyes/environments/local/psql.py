"""The way into the operated database for a person who has the environment's folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from unioneyes.adapters.postgres.bootstrap import OPERATOR, OWNER
from unioneyes.adapters.postgres.psql import LIMITS, Limits, psql
from unioneyes.environments.local.stack import open_stack
from unioneyes.kernel.units import format_duration


@dataclass(frozen=True, slots=True, kw_only=True)
class WayIn:
    """How psql is run."""

    argv: tuple[str, ...]
    environment: dict[str, str]
    role: str
    ends: str
    """What ends what a person forgot, in words: `a statement ends after 30 s, ...`."""


@contextmanager
def way_into_database(home: Path, *, write: bool, by: str) -> Iterator[WayIn]:
    """Give the way in: as the role that reads no table, or, to `write`, as the one that owns them all. It is gone afterwards.

    Raises: NeverStarted, SettingsRefused, NoOperator, NoAuthority, NoPsql, NoEncryption.
    """
    stack = open_stack(home)
    url = stack.database_url(OWNER) if write else stack.operator_url()
    role = OWNER if write else OPERATOR
    named = f"{stack.settings.name} (PRODUCTION)" if stack.settings.production else stack.settings.name
    prompt = f"{named.replace('%', '%%')} as {role}, {'may write' if write else 'reads only'}"
    with psql(url, read_only=not write, prompt=prompt, application=f"ue psql {by}") as found:
        yield WayIn(argv=found.argv, environment=found.environment, role=role, ends=_said(LIMITS))


def _said(limits: Limits) -> str:
    statement, lock, inside, idle = map(format_duration, (limits.statement, limits.lock, limits.idle_in_transaction, limits.idle))
    return f"a statement ends after {statement}, the wait for a lock after {lock}, the session after {inside} idle in a transaction, or {idle} idle"
