"""psql as a person gets it: at one database, as one role, with time limits, and with the password in no argument."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from pydantic import SecretStr

from unioneyes.adapters.postgres.connections import CONNECT_LIMIT, shown
from unioneyes.adapters.postgres.programs import PostgresMissing, clean_environment, program, signed_in
from unioneyes.kernel.problems import Problem


class NoPsql(Problem):
    """There is no psql on this machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What ends what a person forgot. They are the session's defaults: a statement that needs longer says so itself (`SET statement_timeout = '10min'`)."""

    statement: timedelta = timedelta(seconds=30)
    lock: timedelta = timedelta(seconds=2)
    """How long a lock is waited for: whoever comes after waits behind."""
    idle_in_transaction: timedelta = timedelta(minutes=1)
    """It keeps locks, and autovacuum from its work."""
    idle: timedelta = timedelta(minutes=15)


LIMITS = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Psql:
    """What is run."""

    argv: tuple[str, ...]
    environment: dict[str, str]
    """All that it gets."""


@contextmanager
def psql(database_url: SecretStr, *, read_only: bool, prompt: str, application: str, limits: Limits = LIMITS) -> Iterator[Psql]:
    """Give psql at an address; its password stands in a file that only this user reads, which is gone afterwards.

    Neither `~/.psqlrc` is read, which could lift the limits, nor a history written, in which members' data would stand. Raises: NoPsql, NoEncryption.
    """
    found = _found()
    options = {
        "default_transaction_read_only": "on" if read_only else "off",
        "statement_timeout": _milliseconds(limits.statement),
        "lock_timeout": _milliseconds(limits.lock),
        "idle_in_transaction_session_timeout": _milliseconds(limits.idle_in_transaction),
        "idle_session_timeout": _milliseconds(limits.idle),
    }
    told = {
        "PGOPTIONS": " ".join(f"-c {name}={value}" for name, value in options.items()),
        "PGAPPNAME": application,
        "PGCONNECT_TIMEOUT": str(int(CONNECT_LIMIT.total_seconds())),
        "PSQL_HISTORY": "/dev/null",
    }
    prompts = ("--set", f"PROMPT1={prompt}%R%x%# ", "--set", f"PROMPT2={prompt}%R%x%# ")
    with signed_in(database_url) as way_in:
        yield Psql(argv=(found, "--no-psqlrc", *prompts, "--dbname", shown(database_url)), environment=clean_environment({**way_in, **told}))


def _found() -> str:
    """Return the machine's psql, which its people know, or else the one that came with the server. Raises: NoPsql."""
    if (of_machine := shutil.which("psql")) is not None:
        return of_machine
    try:
        return program("psql")
    except PostgresMissing:
        raise NoPsql(what="there is no psql on this machine", remedy="apt-get install postgresql-client, or pip install 'unioneyes[database]'") from None


def _milliseconds(duration: timedelta) -> str:
    return str(round(duration.total_seconds() * 1000))
