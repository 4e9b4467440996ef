"""Sessions of the console: who is in, by what, and until when. They stand in the database, so every server knows them, and one that was ended has ended."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import JsonValue, SecretStr
from sqlalchemy import ColumnElement, Connection, Row, and_, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from unioneyes.kernel.access import Person, Role
from unioneyes.kernel.clock import now, rfc3339
from unioneyes.ports.identity import Identity
from unioneyes.runbook.audit.entry import Action, AuditEntry
from unioneyes.runbook.problems import NameTaken
from unioneyes.runbook.store.audit import AuditTrail
from unioneyes.runbook.store.database import ControlDatabase
from unioneyes.runbook.store.tables import link_codes, people, sessions, tokens
from unioneyes.runbook.store.tokens import LIVES, hashed, in_order, revoke_own
from unioneyes.runbook.views import SessionView

LASTS = timedelta(hours=12)
"""From the sign-in on, whatever happens: a long shift. Roles are asked for anew then."""
IDLE = timedelta(hours=1)
"""Without a page that is open anywhere: an open one asks each second. A chat's account has no page."""
NOBODY = "nobody"
"""The actor of a sign-in that was refused before anybody knew whose it was."""
_KEPT = timedelta(days=30)
"""How long an ended one is kept; the audit log keeps that it was."""
_USE_NOTED_EVERY = timedelta(minutes=1)
_BYTES = 32
_MOST_GROUPS = 50
"""Of somebody's, in the audit log: providers know people in hundreds."""
_STALE = sessions.c.last_used_at < func.clock_timestamp() - _USE_NOTED_EVERY
_MADE_BY = select(tokens.c.issuer).where(tokens.c.number == sessions.c.token).scalar_subquery().label("made_by")
OPEN = and_(
    sessions.c.ended_at.is_(None),
    sessions.c.expires_at > func.clock_timestamp(),
    or_(sessions.c.account.is_not(None), sessions.c.last_used_at > func.clock_timestamp() - IDLE),
    or_(sessions.c.token.is_(None), select(tokens.c.number).where(tokens.c.number == sessions.c.token, LIVES).exists()),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Somebody is in."""

    person: Person
    token: int | None
    """The number of the token that it was begun with; 0: the environment's own; None: an identity provider."""
    issuer: str | None
    """That provider, also where they made the token by it."""
    own_token: bytes | None
    """What was kept of the environment's own token, where it was begun with that."""
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedSession:
    """Somebody was in."""

    issuer: str | None
    proof: SecretStr | None
    """What the identity provider knows them by."""


class Sessions:
    """Every question and every change, each in one transaction, its audit entry included. Raises: ControlDatabaseUnavailable."""

    def __init__(self, database: ControlDatabase, audit: AuditTrail) -> None:
        """Keep sessions in `database`; who came in and who did not stands in the audit log."""
        self._database = database
        self._audit = audit

    def begin_by_token(self, number: int, person: Person, *, replaces: str = "") -> SecretStr:
        """Whoever shows the returned secret is in, as long as the token of that number lets anybody in."""
        with self._database.transaction() as connection:
            return self._begin(connection, person, replaces, {"token": number}, {"by": "token"})

    def begin_by_environment(self, own_token: bytes, person: Person, *, replaces: str = "") -> SecretStr:
        """Whoever shows the returned secret is in by the environment's own token; `own_token` is what tells it from the next one, and tells nothing of it."""
        with self._database.transaction() as connection:
            return self._begin(connection, person, replaces, {"own_token": own_token}, {"by": "environment"})

    def begin_by_identity(self, identity: Identity, *, replaces: str = "") -> SecretStr:
        """Whoever shows the returned secret is whom the identity provider knows. A name belongs to the one who had it first. Raises: NameTaken."""
        person = Person(name=identity.name, roles=identity.roles)
        with self._database.transaction() as connection:
            _require_own_name(connection, identity)
            self._end_issued(connection, identity.name, but=identity.roles)
            kept: dict[str, object] = {"issuer": identity.issuer, "proof": identity.proof.get_secret_value()}
            return self._begin(
                connection, person, replaces, kept, {"by": identity.issuer, "subject": identity.subject, "groups": [*identity.groups[:_MOST_GROUPS]]}
            )

    def lost_all_roles(self, identity: Identity) -> None:
        """The account that the name belongs to is nobody here any more: what it was let in by before has ended."""
        with self._database.transaction() as connection:
            theirs = and_(people.c.name == identity.name, people.c.issuer == identity.issuer, people.c.subject == identity.subject)
            if connection.execute(select(people.c.name).where(theirs)).one_or_none() is not None:
                self._end_issued(connection, identity.name, but=identity.roles)

    def holder(self, secret: str) -> Session | None:
        """Return who is in by this secret; None when nobody is any more. That it was used is noted, to the minute."""
        with self._database.transaction() as connection:
            return noted(connection, and_(sessions.c.secret_hash == hashed(secret), sessions.c.account.is_(None)))

    def open(self) -> tuple[SessionView, ...]:
        """Return who is in, the latest first."""
        with self._database.transaction() as connection:
            return tuple(view_of(row) for row in connection.execute(select(sessions).where(OPEN).order_by(sessions.c.number.desc())))

    def end(self, secret: str) -> EndedSession | None:
        """The session has ended, by its own person's wish; return None when it had before."""
        with self._database.transaction() as connection:
            row = self._end(connection, secret)
            if row is None:
                return None
            self._audit.append(connection, AuditEntry(at=now(), actor=row.name, action=Action.SIGNED_OUT, data={"name": row.name}))
            return EndedSession(issuer=row.issuer, proof=SecretStr(row.proof) if row.proof else None)

    def end_all(self, name: str, *, by: str) -> int:
        """Nobody is in under this name any more, nor by a token that they made for themselves, nor from a chat; return how many sessions that ended."""
        with self._database.transaction() as connection:
            revoke_own(connection, self._audit, name, by=by)
            connection.execute(delete(link_codes).where(link_codes.c.name == name))
            return self._end_where(connection, sessions.c.name == name, name=name, by=by)

    def refused(self, why: str, *, name: str | None, by: str) -> None:
        """It stands in the audit log that somebody did not come in, where known under which name, by `by`."""
        with self._database.transaction() as connection:
            data: dict[str, JsonValue] = {"by": by}
            self._audit.append(connection, AuditEntry(at=now(), actor=name or NOBODY, action=Action.SIGN_IN_REFUSED, reason=why, data=data))

    def _begin(self, connection: Connection, person: Person, replaces: str, kept: dict[str, object], data: dict[str, JsonValue]) -> SecretStr:
        """A new session has begun. One that the same browser had has ended: what somebody knew before the sign-in is worth nothing after it."""
        self._end(connection, replaces)
        connection.execute(delete(sessions).where(sessions.c.expires_at < func.clock_timestamp() - _KEPT))
        secret = secrets.token_urlsafe(_BYTES)
        roles = in_order(person.roles)
        row = connection.execute(
            insert(sessions)
            .values(name=person.name, roles=roles, shared=person.shared, secret_hash=hashed(secret), expires_at=func.clock_timestamp() + LASTS, **kept)
            .returning(sessions.c.expires_at)
        ).one()
        data |= {"roles": [role.value for role in roles], "expires_at": rfc3339(row.expires_at)}
        self._audit.append(connection, AuditEntry(at=now(), actor=person.name, action=Action.SIGNED_IN, data=data))
        return SecretStr(secret)

    def _end_issued(self, connection: Connection, name: str, *, but: frozenset[Role]) -> None:
        """Nobody is in by what the provider said of `name` before, unless it was `but` these roles: by no session, and by no token of their own making."""
        revoke_own(connection, self._audit, name, by=name, but=but)
        connection.execute(delete(link_codes).where(link_codes.c.name == name, link_codes.c.issuer.is_not(None), link_codes.c.roles != in_order(but)))
        former = and_(sessions.c.name == name, sessions.c.issuer.is_not(None), sessions.c.roles != in_order(but))
        self._end_where(connection, former, name=name, by=name)

    def _end_where(self, connection: Connection, which: ColumnElement[bool], *, name: str, by: str) -> int:
        """Return how many sessions of `name` this ended."""
        ended = connection.execute(update(sessions).where(which, OPEN).values(ended_at=func.clock_timestamp(), ended_by=by, proof=None)).rowcount
        if ended:
            self._audit.append(connection, AuditEntry(at=now(), actor=by, action=Action.SIGNED_OUT, data={"name": name, "sessions": ended}))
        return ended

    def _end(self, connection: Connection, secret: str) -> Row[tuple[object, ...]] | None:
        """Return the session as it was; None when it had ended before, or never was."""
        found = connection.execute(select(sessions).where(sessions.c.secret_hash == hashed(secret), OPEN).with_for_update()).one_or_none()
        if found is not None:
            values = {"ended_at": func.clock_timestamp(), "ended_by": found.name, "proof": None}
            connection.execute(update(sessions).where(sessions.c.number == found.number).values(**values))
        return found


def session_of(connection: Connection, which: ColumnElement[bool]) -> Session | None:
    """Return who is in by the one session that is open of those; None when nobody is any more."""
    row = connection.execute(select(sessions, _MADE_BY).where(which, OPEN)).one_or_none()
    if row is None:
        return None
    return Session(
        person=Person(name=row.name, roles=frozenset(Role(role) for role in row.roles), shared=row.shared),
        token=None if row.issuer is not None else row.token or 0,
        issuer=row.issuer or row.made_by,
        own_token=row.own_token,
        expires_at=row.expires_at,
    )


def noted(connection: Connection, which: ColumnElement[bool]) -> Session | None:
    """Return the same; that it was used is noted, to the minute."""
    found = session_of(connection, which)
    if found is not None:
        connection.execute(update(sessions).where(which, OPEN, _STALE).values(last_used_at=func.clock_timestamp()))
    return found


def _require_own_name(connection: Connection, identity: Identity) -> None:
    """Return when nobody else at the provider had the name before. Raises: NameTaken.

    A name that a provider gave which is not asked any more belongs to whom the new one calls so.
    """
    ours = {"issuer": identity.issuer, "subject": identity.subject}
    had = insert(people).values(name=identity.name, **ours)
    had = had.on_conflict_do_update(index_elements=[people.c.name], set_=ours, where=people.c.issuer != identity.issuer)
    connection.execute(had)
    owner = connection.execute(select(people.c.subject).where(people.c.name == identity.name)).scalar_one()
    if owner != identity.subject:
        raise NameTaken(
            what=f"the name {identity.name} belongs to another account at {identity.issuer}: journals and the audit log could not tell you apart",
            remedy="ask an administrator of the identity provider for a name that nobody had before",
        )


def view_of(row: Row[tuple[object, ...]]) -> SessionView:
    """Return a session without what would let anybody in."""
    return SessionView(
        name=row.name,
        roles=tuple(Role(role) for role in row.roles),
        by=row.issuer or ("token" if row.token else "environment"),
        account=row.account,
        begun_at=row.begun_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
    )
