"""The service's SQL by name, from the files in `sql/`."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from importlib.resources import files

_HEADING = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Queries:
    """Every query of one release; parameters are named in the SQL."""

    set_scope: bytes
    ping: bytes
    ledger_has: bytes
    put_organization: bytes
    put_user: bytes
    put_member: bytes
    find_member: bytes
    member_exists: bytes
    list_members: bytes
    record_login: bytes
    submit_claim: bytes
    list_claims: bytes
    find_claim: bytes
    lock_claim: bytes
    change_claim: bytes
    record_update: bytes
    list_updates: bytes
    take_key: bytes
    find_answer: bytes
    keep_answer: bytes


def read_queries(generations: tuple[str, ...]) -> Queries:
    """Return the queries of `sql/<generation>.sql`, where a later generation replaces an earlier one's queries by name."""
    found: dict[str, bytes] = {}
    for generation in generations:
        found |= _split(files(__package__).joinpath("sql", f"{generation}.sql").read_text())
    unknown = found.keys() - {field.name for field in fields(Queries)}
    if unknown:
        message = f"queries that nobody uses: {', '.join(sorted(unknown))}"
        raise ValueError(message)
    return Queries(**found)


def _split(text: str) -> dict[str, bytes]:
    _, *parts = _HEADING.split(text)
    return {name: _without_comments(sql) for name, sql in zip(parts[::2], parts[1::2], strict=True)}


def _without_comments(sql: str) -> bytes:
    """Return the statement alone: a comment after it belongs to the next query, and no log needs it."""
    return "\n".join(line for line in sql.splitlines() if not line.startswith("--")).strip().removesuffix(";").encode()
