"""What the role that looks must have been granted: without it PostgreSQL shows it less, and says nothing of that."""

from __future__ import annotations

import psycopg

from unioneyes.ports.activity import MissingGrant


def require_seeing(opened: psycopg.Connection) -> None:
    """Return where its role sees what others do. Raises: MissingGrant."""
    _require(opened, needs="pg_read_all_stats", grant="pg_monitor", so="sees neither what other sessions do nor how replicas stand")


def require_ending(opened: psycopg.Connection) -> None:
    """Return where its role may end others' sessions. Raises: MissingGrant."""
    _require(opened, needs="pg_signal_backend", grant="pg_signal_backend", so="may end no session of others")


def _require(opened: psycopg.Connection, *, needs: str, grant: str, so: str) -> None:
    if opened.execute("SELECT pg_has_role(%s, 'USAGE')", (needs,)).fetchone() != (True,):
        role = opened.info.user
        raise MissingGrant(what=f"{role} {so}: it lacks {grant}", remedy=f"as a superuser: GRANT {grant} TO {role}; ue env roles prints all of it")
