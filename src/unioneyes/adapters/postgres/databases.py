"""What a database is beside its contents: owner, spelling, grants, settings, limit; and how a new one is made alike."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
from psycopg.rows import class_row
from psycopg.sql import SQL, Composed, Identifier, Literal

from unioneyes.adapters.postgres.connections import sql
from unioneyes.ports.database import RestoreFailed


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Owner, spelling and limit of a database."""

    owner: str
    encoding: str
    provider: str
    collate: str
    ctype: str
    locale: str | None
    connections: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Grant:
    grantee: str
    privilege: str
    grantable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Setting:
    role: str
    name: str
    value: str


def shape_of(session: psycopg.Connection, database: str) -> Shape:
    """Return the shape of `database`. Raises: RestoreFailed when there is none."""
    with session.cursor(row_factory=class_row(Shape)) as cursor:
        found = cursor.execute(sql("restore_shape"), {"database": database}).fetchone()
    if found is None:
        raise RestoreFailed(what=f"there is no database called {database}", remedy="look at the server's list of databases: psql -l")
    return found


def create_alike(beside: str, shape: Shape) -> Composed:
    """Return what makes an empty database that sorts and spells as the live one does."""
    parts = [
        SQL("CREATE DATABASE {} TEMPLATE template0 OWNER {} ENCODING {}").format(Identifier(beside), Identifier(shape.owner), Literal(shape.encoding)),
        SQL("LC_COLLATE {} LC_CTYPE {}").format(Literal(shape.collate), Literal(shape.ctype)),
    ]
    match shape.provider:
        case "b":
            parts.append(SQL("LOCALE_PROVIDER builtin BUILTIN_LOCALE {}").format(Literal(shape.locale)))
        case "i":
            parts.append(SQL("LOCALE_PROVIDER icu ICU_LOCALE {}").format(Literal(shape.locale)))
        case _:
            parts.append(SQL("LOCALE_PROVIDER {}").format(SQL("libc")))
    return SQL(" ").join(parts)


def _grants(session: psycopg.Connection, database: str) -> tuple[_Grant, ...]:
    with session.cursor(row_factory=class_row(_Grant)) as cursor:
        return tuple(cursor.execute(sql("restore_grants"), {"database": database}))


def _settings(session: psycopg.Connection, database: str) -> tuple[_Setting, ...]:
    with session.cursor(row_factory=class_row(_Setting)) as cursor:
        return tuple(cursor.execute(sql("restore_settings"), {"database": database}))


def _privilege(name: str) -> SQL:
    match name:
        case "CREATE":
            return SQL("CREATE")
        case "TEMPORARY":
            return SQL("TEMPORARY")
        case _:
            return SQL("CONNECT")


def databases(session: psycopg.Connection) -> set[str]:
    """Return the names of the server's databases."""
    return {str(row[0]) for row in session.execute("SELECT datname FROM pg_database")}


def comment(session: psycopg.Connection, database: str) -> str | None:
    """Return what was noted at a database; None when there is none, or nothing was."""
    row = session.execute("SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", (database,)).fetchone()
    return None if row is None else row[0]


def drop(session: psycopg.Connection, database: str) -> None:
    """`database` is gone, whoever is in it."""
    session.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(database)))


def limit(session: psycopg.Connection, database: str, connections: int) -> None:
    """At most `connections` come in at a time; -1 for any number. A superuser always comes in."""
    session.execute(SQL("ALTER DATABASE {} CONNECTION LIMIT {}").format(Identifier(database), Literal(connections)))


def adopt(session: psycopg.Connection, beside: str, *, like: str) -> None:
    """`beside` has the grants and the settings of `like`."""
    name = Identifier(beside)
    grants, settings = _grants(session, like), _settings(session, like)
    with session.transaction():
        session.execute(SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name))
        for grant in grants:
            grantee = Identifier(grant.grantee) if grant.grantee else SQL("PUBLIC")
            option = SQL(" WITH GRANT OPTION" if grant.grantable else "")
            session.execute(SQL("GRANT {} ON DATABASE {} TO {}{}").format(_privilege(grant.privilege), name, grantee, option))
        for setting in settings:
            # Taken from this transaction's own value: a setting that is a list is then written as one.
            session.execute("SELECT set_config(%s, %s, true)", (setting.name, setting.value))
            whose = SQL("ALTER ROLE {} IN DATABASE {}").format(Identifier(setting.role), name) if setting.role else SQL("ALTER DATABASE {}").format(name)
            session.execute(SQL("{} SET {} FROM CURRENT").format(whose, Identifier(setting.name)))
        limit(session, beside, shape_of(session, like).connections)
