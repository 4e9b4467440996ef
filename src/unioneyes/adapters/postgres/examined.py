"""Whether a server that somebody else runs is as the runbooks need it: its version, what protects the way there, and what its roles may."""

from __future__ import annotations

from datetime import timedelta

import psycopg
from psycopg.conninfo import conninfo_to_dict
from pydantic import SecretStr

from unioneyes.adapters.postgres.connections import connection, sql
from unioneyes.kernel.problems import Refused
from unioneyes.ports.vitals import untested

_LIMIT = timedelta(seconds=5)
_NAME = "ue-doctor"
_FULL = "; it keeps no connection for ue_operator, which can't come in once all are in use (reserved_connections = 5, from PostgreSQL 16 on)"


def examine_operated(*, owner: SecretStr, others: tuple[SecretStr, ...], restore: SecretStr | None) -> str:
    """Return what is good about the operated database, in words: every role comes in, and may what its work needs, and no more.

    `others` are the addresses for roles that need only come in; `restore` is a superuser's. Raises: DatabaseUnavailable, TooOld, UnsuitableDatabase.
    """
    with connection(owner, name=_NAME, statement_limit=_LIMIT) as session:
        said = _examined(session, owner)
        wrong = [str(row[0]) for row in session.execute(sql("examine_roles"))]
        reserves = session.execute("SELECT coalesce(current_setting('reserved_connections', true), '0') <> '0'").fetchone() == (True,)
    for url in others:
        with connection(url, name=_NAME, statement_limit=_LIMIT):
            pass
    if restore is not None:
        with connection(restore, name=_NAME, statement_limit=_LIMIT) as session:
            row = session.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()
            wrong += [] if row and row[0] else ["the role that restores is no superuser: it could not come into a database that is closed"]
    if wrong:
        raise UnsuitableDatabase(
            what=f"{_place(owner)}: {'; '.join(wrong)}", remedy="ue env roles prints the SQL that makes the roles; give it to psql as a superuser"
        )
    return f"{said}; its roles may what they need{'' if reserves else _FULL}"


def examine_control(url: SecretStr) -> str:
    """Return what is good about the engine's own database, in words. Raises: DatabaseUnavailable, TooOld, UnsuitableDatabase."""
    with connection(url, name=_NAME, statement_limit=_LIMIT) as session:
        said = _examined(session, url)
        row = session.execute("SELECT has_database_privilege(current_database(), 'CREATE'), pg_is_in_recovery()").fetchone()
    may_create, is_replica = row or (False, False)
    if is_replica:
        raise UnsuitableDatabase(what=f"{_place(url)} is a replica", remedy="name the primary")
    if not may_create:
        raise UnsuitableDatabase(what=f"{_place(url)}: its role may not create schemas there", remedy="ALTER DATABASE ... OWNER TO ...")
    return said


def _examined(session: psycopg.Connection, url: SecretStr) -> str:
    """Return the server's version, and whether the way there is encrypted."""
    way = "encrypted" if session.pgconn.ssl_in_use else "not encrypted"
    named = session.info.parameter_status("server_version") or str(session.info.server_version // 10_000)
    known = f" ({said})" if (said := untested(named)) else ""
    return f"PostgreSQL {named}{known} at {_place(url)}, {way}"


def _place(url: SecretStr) -> str:
    told = conninfo_to_dict(url.get_secret_value())
    return f"{told.get('host')}:{told.get('port')}/{told.get('dbname')}"


class UnsuitableDatabase(Refused):
    """A database answers, and is not what the runbooks need."""
