"""Erases again by a program of the environment's, which knows who was erased: `[privacy] erase_again`."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from psycopg.conninfo import conninfo_to_dict
from pydantic import SecretStr

from unioneyes.adapters.postgres.connections import connection
from unioneyes.adapters.postgres.fence import enter
from unioneyes.adapters.postgres.programs import ProgramFailed, password_in_file, run_program
from unioneyes.kernel.clock import rfc3339
from unioneyes.ports.erasures import ErasedAgain, NotErased

SINCE = "UE_ERASED_SINCE"
"""Environment variable in which the program finds the moment, as RFC 3339 has it."""
_ADMINISTRATION = "postgres"
_LOOK_LIMIT = timedelta(seconds=30)
_ERASE_LIMIT = timedelta(minutes=30)
_REMEDY = "look at its own log, mend it, and start the restore anew"


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasingProgram:
    """Implements the port `Erasures`.

    The program finds the database in libpq's own variables (PGHOST, PGPORT, PGUSER, PGDATABASE, PGSSLMODE, PGSSLROOTCERT, PGPASSFILE). When all are erased, it
    ends with 0 and prints how many they were, and nothing else. What it says otherwise is never shown: it may name them.
    """

    argv: tuple[str, ...]
    """Empty where nobody keeps who was erased."""
    admin: Callable[[str], SecretStr]
    """Address of a database of the server, as a superuser."""

    @property
    def kept(self) -> bool:
        """True where there is such a program."""
        return bool(self.argv)

    def erase_again(self, database: str, *, since: datetime) -> ErasedAgain:
        """Whoever was erased since then is erased in `database` too; see the port. Raises: NotErased, DatabaseUnavailable, FencedOff."""
        began, address = time.monotonic(), self.admin(database)
        with connection(self.admin(_ADMINISTRATION), name="ue-erase", statement_limit=_LOOK_LIMIT) as session, session.transaction():
            enter(session)
        told = conninfo_to_dict(address.get_secret_value())
        with password_in_file(SecretStr(str(told.get("password") or ""))) as passfile:
            try:
                said = run_program(self.argv, within=_ERASE_LIMIT, environment={**passfile, **_variables(address), SINCE: rfc3339(since)}).stdout
            except ProgramFailed:
                what = f"{self.argv[0]} did not erase all who were erased since {rfc3339(since)} in {database}, or did not end in time"
                raise NotErased(what=f"{what}: it does not serve", remedy=_REMEDY) from None
        if not said.strip().isdecimal():
            raise NotErased(what=f"{self.argv[0]} does not say how many it erased in {database}, and nothing else: it does not serve", remedy=_REMEDY)
        return ErasedAgain(persons=int(said), took=timedelta(seconds=time.monotonic() - began))

    def describe_erase_again(self, database: str, *, since: datetime) -> tuple[str, ...]:
        """Return the commands that a person would type for the same."""
        variables = " ".join(f"{name}={value}" for name, value in _variables(self.admin(database)).items())
        return (f"{variables} {SINCE}={rfc3339(since)} {shlex.join(self.argv)}",)


def _variables(address: SecretStr) -> dict[str, str]:
    """Return libpq's variables of an address, without its password."""
    told = conninfo_to_dict(address.get_secret_value())
    names = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "dbname": "PGDATABASE", "sslmode": "PGSSLMODE", "sslrootcert": "PGSSLROOTCERT"}
    return {variable: str(told[name]) for name, variable in names.items() if told.get(name)}
