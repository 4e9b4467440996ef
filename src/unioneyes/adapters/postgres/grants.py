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


def kept_out(said: str, *, role: str, database: str) -> str | None:
    """Return what to do where a server lets `role` not in, by its message; None where that is not what it says."""
    if "password authentication failed" in said:
        return f"give the right password of {role} in [secrets] of environment.toml; or set that one there, as a superuser: \\password {role}"
    if "no password supplied" in said:
        return f"[secrets] of environment.toml names no password of {role}: name it there; ue env roles prints the SQL that makes the role"
    if f'role "{role}" does not exist' in said:
        return "ue env roles prints the SQL that makes the roles; give it to psql as a superuser"
    if f'permission denied for database "{database}"' in said:
        return f"as a superuser: GRANT CONNECT ON DATABASE {database} TO {role}; and try again"
    if "is not permitted to log in" in said:
        return f"as a superuser: ALTER ROLE {role} LOGIN; and try again"
    if "to start WAL sender" in said or "replication role" in said:
        return f"as a superuser: ALTER ROLE {role} REPLICATION; and try again"
    return f"let {role} come to {database} from this machine: pg_hba.conf of the server" if "no pg_hba.conf entry" in said else None


def missing_grant(said: str, role: str) -> str:
    """Return the same, by the message."""
    if found := _DENIED.search(said):
        kind = found["kind"]
        return f"as a superuser: GRANT {_WANTED[kind]} ON {kind.upper()} {found['name']} TO {role}; and try again"
    if found := _OWNER.search(said):
        kind = "TABLE" if found["kind"] in {"relation", "table"} else found["kind"].upper()
        return f"as a superuser: ALTER {kind} {found['name']} OWNER TO {role}; and try again"
    return f"{role} lacks a right: ue env roles prints the SQL that makes the roles; and try again"
