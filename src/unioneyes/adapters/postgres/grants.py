"""Which grant is missing, where PostgreSQL refuses a statement: pure."""

from __future__ import annotations

import re

import psycopg

_DENIED = re.compile(r"permission denied for (?P<kind>schema|database|table|sequence|function|type|language) (?P<name>.+)$")
_OWNER = re.compile(r"must be owner of (?P<kind>[a-z ]+?) (?P<name>\S+)$")
_WANTED = {"schema": "USAGE, CREATE", "database": "CREATE", "table": "ALL", "sequence": "ALL", "function": "EXECUTE", "type": "USAGE", "language": "USAGE"}


def refused_grant(error: psycopg.Error, role: str) -> str | None:
    """Return what a superuser types so that `role` may do what `error` refused; None where it is another error. PostgreSQL's messages have to be English."""
    if not isinstance(error, psycopg.errors.InsufficientPrivilege):
        return None
    return missing_grant(error.diag.message_primary or "", role)


def missing_grant(said: str, role: str) -> str:
    """Return the same, by the message."""
    if found := _DENIED.search(said):
        kind = found["kind"]
        return f"as a superuser: GRANT {_WANTED[kind]} ON {kind.upper()} {found['name']} TO {role}; and try again"
    if found := _OWNER.search(said):
        kind = "TABLE" if found["kind"] in {"relation", "table"} else found["kind"].upper()
        return f"as a superuser: ALTER {kind} {found['name']} OWNER TO {role}; and try again"
    return f"{role} lacks a right: ue env roles prints the SQL that makes the roles; and try again"
