"""The SQL that makes the operated database and its roles on a server that somebody else runs, as psql reads it."""

from __future__ import annotations

from unioneyes.adapters.postgres.bootstrap import DATABASE, OWNER
from unioneyes.adapters.postgres.connections import sql

_PASSWORDS = (
    r"-- Then give each role its password, which stands in no file: \password claims_owner, \password claims_app, \password ue_backup, \password ue_operator"
)


def role_statements(database: str = DATABASE) -> str:
    """Return them, for a database of a plain name. Safe to repeat; no password is set, and none stands in it."""
    make = rf"SELECT 'CREATE DATABASE {database} OWNER {OWNER}' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{database}') \gexec"  # noqa: S608 - printed
    parts = (r"\set ON_ERROR_STOP on", sql("bootstrap_roles").rstrip(), make, rf"\connect {database}", sql("bootstrap_database").rstrip(), _PASSWORDS)
    return "\n".join(parts)
