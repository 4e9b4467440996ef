"""Union members at work: a load on the service, as an open loop that never retries.

Requests start on schedule whatever the answers do, and each one's latency counts from the moment that it was due: a service that stalls is seen to stall
by everyone who would have come meanwhile. A request that gets no answer is lost; nobody asks again.

    python -m unioneyes.simulators.members --url URL --issuer-url URL --rate 50 --report FILE.jsonl
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import signal
import sys
import time
import uuid
from collections import deque
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TextIO

import h11

from unioneyes.simulators.report import SUBMIT, Exchange, read_report
from unioneyes.simulators.wire import Address, Answer, Connection, Request

PATIENCE = timedelta(seconds=15)
"""How long a member waits for an answer, and how long the program waits for those under way when it is told to end."""
SIGN_IN_LIMIT = timedelta(seconds=10)
TOKEN_LIFETIME = timedelta(days=1)
ORGANIZATIONS = ("a", "b", "c")
SMALL_ORGANIZATION = "small"
"""Of one member: its share of the requests is so small that an average hides what happens to it."""
MEMBERS_PER_ORGANIZATION = 2
WARM_CONNECTIONS = 8
CLAIMS_REMEMBERED = 200
"""Per organization: what its members read again."""
CLAIM_TYPES = ("grievance", "workplace_safety", "wage_dispute", "other")
_SUCCESS = range(200, 300)

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """How the members behave."""

    rate: float
    """Requests per second."""
    seconds: float | None
    """How long; until told to end when None."""
    posts: float
    """Share of requests that submit a claim, 0-1; the rest list and read, or decide."""
    decisions: float
    """Share of requests in which a steward assigns a claim or moves it on, 0-1."""
    small: float
    """Share of requests that a small organization's only member makes, 0-1."""
    new_connections: float
    """Share of requests that open a connection of their own, 0-1; the rest use kept ones."""
    idempotency_keys: bool
    """True when each POST carries a fresh Idempotency-Key."""
    warm: bool
    """True when connections are opened, and used once, before the schedule begins; what happens then is not counted."""
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One member who has signed in."""

    organization: str
    token: str
    id: str
    """As the service knows the member; empty when it did not say."""
    claims: deque[str] = field(compare=False)
    """The newest claims of the organization, shared by its members."""
    undecided: deque[str] = field(compare=False)
    """Those that nobody has moved on yet, shared as well."""


class SignInFailed(Exception):  # noqa: N818 - its name is what happened
    """A member could not sign in, so there is no load."""


async def sign_in(service: Address, issuer: Address, *, small: bool) -> tuple[Member, ...]:
    """Return the members of every organization, signed in, those of the `small` one last. Raises: SignInFailed."""
    members: list[Member] = []
    sizes = [*((organization, MEMBERS_PER_ORGANIZATION) for organization in ORGANIZATIONS), *([(SMALL_ORGANIZATION, 1)] if small else [])]
    for organization, size in sizes:
        claims: deque[str] = deque(maxlen=CLAIMS_REMEMBERED)
        undecided: deque[str] = deque(maxlen=CLAIMS_REMEMBERED)
        for _ in range(size):
            number = len(members) + 1
            asked = {
                "subject": f"user_member_{number}",
                "name": f"Member {number}",
                "email": f"member-{number}@example.org",
                "organization": {"id": f"org_members_{organization}", "slug": f"members-{organization}"},
                "role": "steward",
                "lifetime_seconds": int(TOKEN_LIFETIME.total_seconds()),
            }
            issued = await _once(
                issuer, Request(method="POST", path="/token", headers=(("Content-Type", "application/json"),), body=json.dumps(asked).encode())
            )
            token = str(json.loads(issued.body)["token"])
            signed_in = await _once(service, Request(method="POST", path="/api/sign-in", headers=_credentials(token)))
            members.append(Member(organization=organization, token=token, id=_member_id(signed_in), claims=claims, undecided=undecided))
    return tuple(members)


async def _once(address: Address, request: Request) -> Answer:
    """Return the successful answer to `request`, on a connection of its own. Raises: SignInFailed."""
    try:
        async with asyncio.timeout(SIGN_IN_LIMIT.total_seconds()):
            connection = await Connection.open(address)
            try:
                answer = await connection.exchange(request)
            finally:
                connection.close()
    except (OSError, h11.RemoteProtocolError) as error:
        raise SignInFailed(f"{request.method} {request.path}: {_reason(error)}") from error
    if answer.status not in _SUCCESS:
        raise SignInFailed(f"{request.method} {request.path}: answered {answer.status}")
    return answer


class Load:
    """The members at work, from the first request on schedule to the last answer."""

    def __init__(self, *, service: Address, members: tuple[Member, ...], habits: Habits, report: TextIO) -> None:
        """Write each exchange to `report` when it ends."""
        self._service = service
        self._members = members
        self._habits = habits
        self._report = report
        self._random = random.Random(habits.seed)  # noqa: S311 - a load is to be repeatable, not secret
        self._idle: list[Connection] = []
        self._under_way: set[asyncio.Task[None]] = set()
        self.behind = 0.0
        """Seconds by which the latest request started late: whether the figures can be trusted."""

    async def run(self, stop: asyncio.Event) -> None:
        """Every request was sent that was due until `stop` or the end, and what became of each stands in the report."""
        if self._habits.warm:
            await self._warm_up()
        schedule, stopped = asyncio.create_task(self._schedule()), asyncio.create_task(stop.wait())
        await asyncio.wait({schedule, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not schedule.cancel():
            schedule.result()  # it ended by itself: a fault of ours must not pass for a short load
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=PATIENCE.total_seconds())
        for given_up in tuple(self._under_way):
            given_up.cancel()
        await asyncio.gather(*self._under_way)
        for connection in self._idle:
            connection.close()

    async def _schedule(self) -> None:
        loop = asyncio.get_running_loop()
        begin, epoch = loop.time(), time.time()
        number = 0
        while self._habits.seconds is None or number / self._habits.rate < self._habits.seconds:
            due = number / self._habits.rate
            late = loop.time() - begin - due
            if late < 0:
                await asyncio.sleep(-late)
            self.behind = max(self.behind, late)
            task = asyncio.create_task(self._send(self._next_request(), due=begin + due, scheduled_at=epoch + due))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
            number += 1

    def _next_request(self) -> tuple[Member, Request, bool]:
        """Return who asks what, and whether on a connection of its own."""
        member = self._next_member()
        alone = self._random.random() < self._habits.new_connections
        headers = (*_credentials(member.token), *((("Connection", "close"),) if alone else ()))
        if self._random.random() < self._habits.posts:
            claim = {"type": self._random.choice(CLAIM_TYPES), "priority": "medium", "text": "Submitted by a member of the load."}
            if self._habits.idempotency_keys:
                headers = (*headers, ("Idempotency-Key", str(uuid.uuid4())))
            request = _post(SUBMIT, headers, claim)
        elif self._habits.decisions and self._random.random() < self._habits.decisions / (1 - self._habits.posts) and member.claims and member.id:
            if self._habits.idempotency_keys:
                headers = (*headers, ("Idempotency-Key", str(uuid.uuid4())))
            request = self._decision(member, headers)
        elif member.claims and self._random.random() < 1 / 2:
            request = Request(method="GET", path=f"/api/claims/{self._random.choice(member.claims)}", headers=headers)
        else:
            request = Request(method="GET", path="/api/claims?limit=20", headers=headers)
        return member, request, alone

    def _next_member(self) -> Member:
        if self._habits.small and self._random.random() < self._habits.small:
            return self._members[-1]
        return self._random.choice(self._members[:-1] if self._habits.small else self._members)

    def _decision(self, member: Member, headers: Headers) -> Request:
        """Return a steward's request: to move on a claim that nobody has moved yet, or to take one."""
        if member.undecided and self._random.random() < 1 / 2:
            return _post(f"/api/claims/{member.undecided.popleft()}/transition", headers, {"to": "under_review", "note": "Read by a steward of the load."})
        return _post(f"/api/claims/{self._random.choice(member.claims)}/assign", headers, {"member_id": member.id})

    async def _send(self, asked: tuple[Member, Request, bool], *, due: float, scheduled_at: float) -> None:
        member, request, alone = asked
        answer: Answer | None = None
        error: str | None = None
        try:
            async with asyncio.timeout(PATIENCE.total_seconds()):
                answer = await self._exchange(request, alone=alone)
        except (OSError, h11.RemoteProtocolError) as failure:
            error = _reason(failure)
        except asyncio.CancelledError:
            error = "still unanswered at the end"
        took = asyncio.get_running_loop().time() - due
        claim = _claim(answer) if request.method == "POST" and request.path == SUBMIT and answer is not None else None
        if claim is not None:
            member.claims.append(claim)
            member.undecided.append(claim)
        exchange = Exchange(
            scheduled_at=scheduled_at,
            method=request.method,
            path=request.path,
            connection="new" if alone else "kept",
            status=answer.status if answer else None,
            error=error,
            took_ms=round(took * 1000, 3),
            version=answer.headers.get("x-ue-version") if answer else None,
            claim=claim,
        )
        self._report.write(exchange.line())

    async def _exchange(self, request: Request, *, alone: bool) -> Answer:
        connection = None if alone else self._kept()
        if connection is None:
            connection = await Connection.open(self._service)
        answer = None
        try:
            answer = await connection.exchange(request)
        finally:
            if answer is None or alone or not connection.reusable:
                connection.close()
            else:
                self._idle.append(connection)
        return answer

    def _kept(self) -> Connection | None:
        """Return the connection that was used last and is still open; None when there is none."""
        while self._idle:
            connection = self._idle.pop()
            if connection.reusable:
                return connection
            connection.close()
        return None

    async def _warm_up(self) -> None:
        """Kept connections stand open, and the service has read what it reads first."""
        request = Request(method="GET", path="/api/claims?limit=20", headers=_credentials(self._members[0].token))
        async with asyncio.timeout(PATIENCE.total_seconds()):
            connections = await asyncio.gather(*(Connection.open(self._service) for _ in range(WARM_CONNECTIONS)))
            await asyncio.gather(*(connection.exchange(request) for connection in connections))
        self._idle.extend(connections)


def _credentials(token: str) -> tuple[tuple[str, str], ...]:
    return (("Authorization", f"Bearer {token}"),)


def _post(path: str, headers: Headers, document: dict[str, str]) -> Request:
    return Request(method="POST", path=path, headers=(*headers, ("Content-Type", "application/json")), body=json.dumps(document).encode())


def _member_id(answer: Answer) -> str:
    """Return as whom the service knows who signed in; empty when it does not say."""
    try:
        return str(json.loads(answer.body)["member"]["id"])
    except (ValueError, KeyError, TypeError):
        return ""


def _claim(answer: Answer) -> str | None:
    """Return the identifier of the claim that the service says it made; None when it made none."""
    if answer.status not in _SUCCESS:
        return None
    try:
        return str(json.loads(answer.body)["id"])
    except (ValueError, KeyError, TypeError):
        return None


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {PATIENCE.total_seconds():.0f} s"
    return f"{type(error).__name__}: {error}"


async def work(*, url: str, issuer_url: str, habits: Habits, report: Path) -> None:
    """The members have worked until the end or a signal, and `report` ends with a summary. Raises: SignInFailed."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    service = Address.of(url)
    members = await sign_in(service, Address.of(issuer_url), small=habits.small > 0)
    with report.open("w", buffering=1, encoding="utf-8") as file:
        load = Load(service=service, members=members, habits=habits, report=file)
        await load.run(stop)
        summary = {**read_report(report).document(), "behind_ms": round(load.behind * 1000, 1), "cpu_s": round(time.process_time(), 2)}
        file.write(f"{json.dumps({'summary': summary})}\n")


def main() -> None:
    """Work until the end or a signal; exit code 0, or 1 when the members can't sign in."""
    parser = argparse.ArgumentParser(prog="python -m unioneyes.simulators.members", description="Union members at work: an open loop that never retries.")
    parser.add_argument("--url", required=True, help="the service, as members reach it")
    parser.add_argument("--issuer-url", required=True, help="who issues their session tokens")
    parser.add_argument("--report", required=True, type=Path, help="one line of JSON per request, and a summary at the end")
    parser.add_argument("--rate", type=float, default=50, help="requests per second (%(default)s)")
    parser.add_argument("--seconds", type=float, help="how long; until SIGINT or SIGTERM when not given")
    parser.add_argument("--posts", type=float, default=0.2, help="share of requests that submit a claim (%(default)s)")
    parser.add_argument("--decisions", type=float, default=0, help="share of requests in which a steward assigns a claim or moves it on (%(default)s)")
    parser.add_argument("--small", type=float, default=0, help="share of requests of an organization with one member (%(default)s: there is none)")
    parser.add_argument("--new-connections", type=float, default=0.5, help="share of requests on a connection of their own (%(default)s)")
    parser.add_argument("--no-idempotency-key", action="store_true", help="submit claims without an Idempotency-Key")
    parser.add_argument("--warm", action="store_true", help="open the kept connections before the schedule begins")
    parser.add_argument("--seed", type=int, default=1, help="of the members' choices (%(default)s)")
    asked = parser.parse_args()
    habits = Habits(
        rate=asked.rate,
        seconds=asked.seconds,
        posts=asked.posts,
        decisions=asked.decisions,
        small=asked.small,
        new_connections=asked.new_connections,
        idempotency_keys=not asked.no_idempotency_key,
        warm=asked.warm,
        seed=asked.seed,
    )
    try:
        asyncio.run(work(url=asked.url, issuer_url=asked.issuer_url, habits=habits, report=asked.report))
    except SignInFailed as failed:
        sys.exit(f"the members can't sign in: {failed}")


if __name__ == "__main__":
    main()
