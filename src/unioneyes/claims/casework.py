"""What people do with claims: sign in, submit, read, move, assign. Each call is one transaction of one tenant."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from uuid import UUID

from unioneyes.claims import rules
from unioneyes.claims.bodies import (
    Assignment,
    Claim,
    ClaimPage,
    ClaimUpdate,
    ClaimWithHistory,
    Members,
    MemberView,
    NewClaim,
    OrganizationView,
    SignedIn,
    Transition,
)
from unioneyes.claims.logs import request_id
from unioneyes.claims.model import ClaimStatus, Identity, Member, Role
from unioneyes.claims.problems import NoSuchClaim, NoSuchMember, NotAMember, TokenRefused
from unioneyes.claims.queries import Queries
from unioneyes.claims.storage import NOBODY, Connection, Scope, Storage, fetch, fetch_one
from unioneyes.kernel.clock import now

ClientAddress = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What one member may do, inside one transaction that sees the member's organization only."""

    connection: Connection
    queries: Queries
    member: Member

    async def submit(self, new: NewClaim) -> Claim:
        """The claim stands, with the next number of its organization."""
        submitted = {
            "organization_id": self.member.organization_id,
            "member_id": self.member.id,
            "type": new.type,
            "priority": new.priority,
            "text": new.text,
            "deadline": rules.deadline(new.priority, submitted=now().date()),
        }
        (row,) = await fetch(self.connection, self.queries.submit_claim, submitted)
        claim = Claim.model_validate(row)
        await self._record(claim.id, before=None, after=claim.status, assigned_to=None, note="")
        return claim

    async def page(self, *, limit: int, after: int | None) -> ClaimPage:
        """Return up to `limit` claims with numbers below `after`, newest first."""
        wanted = {"organization_id": self.member.organization_id, "after": after, "limit": limit + 1}
        rows = await fetch(self.connection, self.queries.list_claims, wanted)
        claims = tuple(Claim.model_validate(row) for row in rows[:limit])
        return ClaimPage(claims=claims, next=claims[-1].claim_number if len(rows) > limit else None)

    async def find(self, claim_id: UUID) -> ClaimWithHistory:
        """Return the claim with its history. Raises: NoSuchClaim."""
        row = await fetch_one(self.connection, self.queries.find_claim, {"claim_id": claim_id})
        if row is None:
            raise _no_such_claim(claim_id)
        updates = await fetch(self.connection, self.queries.list_updates, {"claim_id": claim_id})
        return ClaimWithHistory.model_validate({**row, "updates": tuple(ClaimUpdate.model_validate(update) for update in updates)})

    async def move(self, claim_id: UUID, wanted: Transition) -> ClaimWithHistory:
        """The claim is where it was wanted; who takes an unassigned claim as `assigned` becomes its assignee.

        Raises: RoleTooLow, NoSuchClaim, TransitionRefused.
        """
        rules.check_may_decide(self.member.role)
        status, assigned_to = await self._lock(claim_id)
        rules.check_transition(status, wanted.to)
        if wanted.to is ClaimStatus.ASSIGNED and assigned_to is None:
            assigned_to = self.member.id
        return await self._change(claim_id, before=status, after=wanted.to, assigned_to=assigned_to, note=wanted.note)

    async def assign(self, claim_id: UUID, wanted: Assignment) -> ClaimWithHistory:
        """The claim is somebody's. Raises: RoleTooLow, NoSuchClaim, NoSuchMember, TransitionRefused."""
        rules.check_may_decide(self.member.role)
        status, _ = await self._lock(claim_id)
        after = rules.status_once_assigned(status)
        (found,) = await fetch(self.connection, self.queries.member_exists, {"member_id": wanted.member_id})
        if not found["there"]:
            raise NoSuchMember(what=f"the organization has no member {wanted.member_id}", remedy="GET /api/members lists them")
        return await self._change(claim_id, before=status, after=after, assigned_to=wanted.member_id, note=wanted.note)

    async def members(self) -> Members:
        """Return the organization's members, by name."""
        rows = await fetch(self.connection, self.queries.list_members)
        return Members(members=tuple(MemberView.of(_member(row)) for row in rows))

    async def _lock(self, claim_id: UUID) -> tuple[ClaimStatus, UUID | None]:
        row = await fetch_one(self.connection, self.queries.lock_claim, {"claim_id": claim_id})
        if row is None:
            raise _no_such_claim(claim_id)
        return ClaimStatus(row["status"]), row["assigned_to"]

    async def _change(self, claim_id: UUID, *, before: ClaimStatus, after: ClaimStatus, assigned_to: UUID | None, note: str) -> ClaimWithHistory:
        await self.connection.execute(self.queries.change_claim, {"claim_id": claim_id, "status": after, "assigned_to": assigned_to})
        await self._record(claim_id, before=before, after=after, assigned_to=assigned_to, note=note)
        return await self.find(claim_id)

    async def _record(self, claim_id: UUID, *, before: ClaimStatus | None, after: ClaimStatus, assigned_to: UUID | None, note: str) -> None:
        update = {
            "organization_id": self.member.organization_id,
            "claim_id": claim_id,
            "member_id": self.member.id,
            "from_status": before,
            "to_status": after,
            "assigned_to": assigned_to,
            "note": note,
        }
        await self.connection.execute(self.queries.record_update, update)


class Casework:
    """The desks of all tenants, and the way in."""

    def __init__(self, storage: Storage) -> None:
        """Work on `storage`."""
        self._storage = storage
        self._queries = storage.queries

    @asynccontextmanager
    async def desk(self, identity: Identity) -> AsyncIterator[Desk]:
        """Yield the member's desk; its transaction is committed at the end. Raises: NotAMember, StorageUnavailable."""
        async with self._storage.transaction(_scope(identity)) as connection:
            member = await self._find_member(connection, identity)
            if member is None:
                raise NotAMember(
                    what=f"nobody of this name has signed in to {identity.organization_id}", remedy="POST /api/sign-in with the same session token"
                )
            yield Desk(connection=connection, queries=self._queries, member=member)

    async def sign_in(self, identity: Identity, *, client: ClientAddress | None) -> SignedIn:
        """The organization, the user and the membership stand as the token says, and the sign-in is recorded. Raises: StorageUnavailable."""
        person = {
            "user_id": identity.user_id,
            "organization_id": identity.organization_id,
            "slug": identity.organization_slug,
            "name": identity.name,
            "email": identity.email,
            "role": identity.role,
        }
        async with self._storage.transaction(_scope(identity)) as connection:
            member = await self._find_member(connection, identity)
            if member is None or (member.name, member.email, member.role) != (identity.name, identity.email, identity.role):
                await connection.execute(self._queries.put_organization, person)
                await connection.execute(self._queries.put_user, person)
                (row,) = await fetch(connection, self._queries.put_member, person)
                member = _member(row)
            await self._record_login(connection, identity, reason="", client=client)
        return SignedIn(member=MemberView.of(member), organization=OrganizationView(id=identity.organization_id, slug=identity.organization_slug))

    async def refuse_sign_in(self, problem: TokenRefused, *, client: ClientAddress | None) -> None:
        """The refused sign-in is recorded. Raises: StorageUnavailable."""
        async with self._storage.transaction(NOBODY) as connection:
            await self._record_login(connection, None, reason=problem.reason, client=client)

    async def _find_member(self, connection: Connection, identity: Identity) -> Member | None:
        who = {"user_id": identity.user_id, "organization_id": identity.organization_id}
        row = await fetch_one(connection, self._queries.find_member, who)
        return _member(row) if row is not None else None

    async def _record_login(self, connection: Connection, identity: Identity | None, *, reason: str, client: ClientAddress | None) -> None:
        attempt = {
            "organization_id": identity.organization_id if identity else None,
            "user_id": identity.user_id if identity else None,
            "succeeded": identity is not None,
            "reason": reason,
            "client_address": client,
            "request_id": request_id.get(),
        }
        await connection.execute(self._queries.record_login, attempt)


def _scope(identity: Identity) -> Scope:
    return Scope(organization_id=identity.organization_id, user_id=identity.user_id)


def _member(row: Mapping[str, object]) -> Member:
    return Member(
        id=UUID(str(row["id"])),
        organization_id=str(row["organization_id"]),
        name=str(row["name"]),
        email=str(row["email"]),
        role=Role(str(row["role"])),
    )


def _no_such_claim(claim_id: UUID) -> NoSuchClaim:
    return NoSuchClaim(what=f"the organization has no claim {claim_id}", remedy="GET /api/claims lists them")
