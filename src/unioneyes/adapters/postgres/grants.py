"""Which grant is missing, where PostgreSQL refuses a statement: pure."""

from __future__ import annotations

import re

import psycopg

_DENIED = re.compile(r"permission denied for (?P<kind>schema|database|table|sequence|function|type|language) (?P<name>.+)$")
_OWNER = re.compile(r"must be owner of (?P<kind>[a-z ]+?) (?P<name>\S+)$")
_WANTED = {"schema": "USAGE, CREATE", "database": "CREATE", "table": "ALL", "sequence": "ALL", "function": "EXECUTE", "type": "USAGE", "language": "USAGE"}

_KEPT_OUT = (
    (
        "password authentication failed",
        "give the right password of {role} in [secrets] of environment.toml; there is none there, or it has another password: \\password {role} sets it",
    ),
    ("no password supplied", "[secrets] of environment.toml names no password of {role}: name it there; ue env roles prints the SQL that makes the role"),
    (r'role "[^"]+" does not exist', "ue env roles prints the SQL that makes the roles; give it to psql as a superuser"),
    ("permission denied for database", "as a superuser: GRANT CONNECT ON DATABASE {database} TO {role}; ue env roles prints all of it"),
    ("is not permitted to log in", "as a superuser: ALTER ROLE {role} LOGIN"),
    ("to start WAL sender|replication role", "as a superuser: ALTER ROLE {role} REPLICATION"),
    ("no pg_hba.conf entry", "let {role} come to {database} from this machine: pg_hba.conf of the server"),
    (
        "too many|connection slots are reserved",
        "as a superuser, end what is idle; for the next time, from PostgreSQL 16 on: reserved_connections = 5, and GRANT pg_use_reserved_connections TO {role}",
    ),
)
"""What a server says to whom it lets not in, and what opens."""


def refused_grant(error: psycopg.Error, role: str) -> str | None:
    """Return what a superuser types so that `role` may do what `error` refused; None where it is another error. PostgreSQL's messages have to be English."""
    if not isinstance(error, psycopg.errors.InsufficientPrivilege):
        return None
    return missing_grant(error.diag.message_primary or "", role)


def kept_out(said: str, *, role: str, database: str) -> str | None:
    """Return what to do where a server lets `role` not in, by its message; None where that is not what it says."""
    found = next((remedy for words, remedy in _KEPT_OUT if re.search(words, said)), None)
    return found.format(role=role, database=database) if found else None


def missing_grant(said: str, role: str) -> str:
    """Return the same, by the message."""
    if found := _DENIED.search(said):
        kind = found["kind"]
        return f"as a superuser: GRANT {_WANTED[kind]} ON {kind.upper()} {found['name']} TO {role}; and try again"
    if found := _OWNER.search(said):
        kind = "TABLE" if found["kind"] in {"relation", "table"} else found["kind"].upper()
        return f"as a superuser: ALTER {kind} {found['name']} OWNER TO {role}; and try again"
    return f"{role} lacks a right: ue env roles prints the SQL that makes the roles; and try again"
