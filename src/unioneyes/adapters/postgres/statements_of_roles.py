"""The SQL that makes the operated database and its roles on a server that somebody else runs, as psql reads it."""

from __future__ import annotations

from unioneyes.adapters.postgres.bootstrap import DATABASE, OWNER
from unioneyes.adapters.postgres.connections import sql

_MAKE = rf"SELECT 'CREATE DATABASE {DATABASE} OWNER {OWNER}' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{DATABASE}') \gexec"  # noqa: S608 - printed
_PASSWORDS = r"-- Then give each role its password, which stands in no file: \password claims_owner, \password claims_app, \password ue_backup"


def role_statements() -> str:
    """Return them. Safe to repeat; no password is set, and none stands in it."""
    parts = (r"\set ON_ERROR_STOP on", sql("bootstrap_roles").rstrip(), _MAKE, rf"\connect {DATABASE}", sql("bootstrap_database").rstrip(), _PASSWORDS)
    return "".join(f"{part}\n" for part in parts)
