"""The operated database and its roles: each may do what its work needs, and no more."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Final

import psycopg
from psycopg.sql import SQL, Identifier, Literal
from pydantic import SecretStr

from unioneyes.adapters.postgres.connections import connection, sql
from unioneyes.adapters.postgres.server import SUPERUSER, PostgresServer

DATABASE: Final = "unioneyes"
OWNER: Final = "claims_owner"
"""Owns the database and its schemas, and runs migrations. Row level security is forced, so it holds for this role too."""
SERVICE: Final = "claims_app"
"""Serves members. Owns nothing; migrations grant it what it needs."""
REPLICATION: Final = "ue_replication"
"""Streams to the replica, and reads how far it got."""
BACKUP: Final = "ue_backup"
"""Reads everything, past row level security: a dump that row level security filters would lack rows and say nothing."""
OPERATOR: Final = "ue_operator"
"""Sees what the server does, and ends sessions that are none of a superuser's. It reads no table of members."""

RESERVED: Mapping[str, str] = MappingProxyType({"reserved_connections": "5"})
"""Kept for the operator of a full server: `ue db status` opens three, and what ends sessions one."""

UTF_8: Final = "UTF8"
"""As PostgreSQL calls it."""
_LIMIT = timedelta(seconds=20)
_FOR_NOBODY = "SET synchronous_commit = local"
"""Where commits wait for whoever keeps the log, these don't: it is started only after them."""


def bootstrap_operated(server: PostgresServer, *, superuser: SecretStr, passwords: Mapping[str, SecretStr]) -> None:
    """The database `unioneyes` and its roles exist, and each role has its password of `passwords`. Safe to repeat.

    Raises: DatabaseUnavailable.
    """
    with connection(server.url(role=SUPERUSER, password=superuser, database="postgres"), name="ue-bootstrap", statement_limit=_LIMIT) as admin:
        admin.execute(_FOR_NOBODY)
        admin.execute(sql("bootstrap_roles"))
        for role in (OWNER, SERVICE, REPLICATION, BACKUP, OPERATOR):
            if not _signs_in(server, role, passwords[role]):
                set_password(admin, role, passwords[role])
        create_database(admin, DATABASE, owner=OWNER)
    with connection(server.url(role=SUPERUSER, password=superuser, database=DATABASE), name="ue-bootstrap", statement_limit=_LIMIT) as admin:
        admin.execute(_FOR_NOBODY)
        admin.execute(sql("bootstrap_database"))


def create_database(admin: psycopg.Connection, database: str, *, owner: str, encoding: str = UTF_8) -> None:
    """`database` exists and belongs to `owner`. Safe to repeat."""
    if admin.execute("SELECT FROM pg_database WHERE datname = %s", (database,)).fetchone() is None:
        of_its_own = SQL(" TEMPLATE template0 LOCALE_PROVIDER libc LOCALE 'C' ENCODING {}").format(Literal(encoding))
        admin.execute(SQL("CREATE DATABASE {} OWNER {}{}").format(Identifier(database), Identifier(owner), of_its_own if encoding != UTF_8 else SQL("")))


def set_password(admin: psycopg.Connection, role: str, password: SecretStr) -> None:
    """`role` signs in by `password`. Only a verifier travels, so neither the wire nor the server's log ever holds the password."""
    verifier = admin.pgconn.encrypt_password(password.get_secret_value().encode(), role.encode(), b"scram-sha-256")
    admin.execute(SQL("ALTER ROLE {} PASSWORD {}").format(Identifier(role), Literal(verifier.decode())))


def _signs_in(server: PostgresServer, role: str, password: SecretStr) -> bool:
    try:
        psycopg.connect(server.url(role=role, password=password, database="postgres").get_secret_value(), connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True
