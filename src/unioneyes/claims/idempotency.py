"""A POST that carries an `Idempotency-Key` takes effect once; its repetition gets the same answer."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus

from unioneyes.claims.model import Member
from unioneyes.claims.problems import BadRequest, KeyReused
from unioneyes.claims.queries import Queries
from unioneyes.claims.storage import Connection, fetch_one

_LONGEST_KEY = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What was answered to a POST."""

    status: int
    body: str
    """JSON."""
    repeated: bool = False
    """True when this is the answer that the first request with the same key got."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """An idempotency key, and the request that it stands for."""

    text: str
    request_sha256: str


def read_key(header: str | None, *, method: str, path: str, body: bytes) -> Key | None:
    """Return the request's key, or None when it carries none. Raises: BadRequest."""
    if header is None:
        return None
    if not 0 < len(header) <= _LONGEST_KEY:
        raise BadRequest(what="the Idempotency-Key is empty or too long", remedy=f"send 1 to {_LONGEST_KEY} characters, a fresh UUID for example")
    fingerprint = hashlib.sha256(b"\0".join((method.encode(), path.encode(), body))).hexdigest()
    return Key(text=header, request_sha256=fingerprint)


async def answer_once(
    connection: Connection, queries: Queries, member: Member, key: Key | None, work: Callable[[], Awaitable[str]], *, status: HTTPStatus
) -> Answer:
    """`work` has been done once per key, in this transaction or in an earlier one; return what was answered then. Its problems are not kept.

    Raises: KeyReused.
    """
    if key is None:
        return Answer(status=status, body=await work())
    whose = {"organization_id": member.organization_id, "member_id": member.id, "key": key.text}
    taken = await fetch_one(connection, queries.take_key, {**whose, "request_sha256": key.request_sha256})
    if taken is None:
        kept = await fetch_one(connection, queries.find_answer, whose)
        if kept is None or kept["request_sha256"] != key.request_sha256:
            raise KeyReused(what="this Idempotency-Key was used for another request", remedy="send a fresh key with each new request")
        return Answer(status=kept["status"], body=kept["body"], repeated=True)
    body = await work()
    await connection.execute(queries.keep_answer, {**whose, "status": status, "body": body})
    return Answer(status=status, body=body)
