"""Tokens that stand for a person or a program: with roles, an end, and nothing in the database that would let anybody in."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import JsonValue, SecretStr
from sqlalchemy import ColumnElement, Connection, Row, and_, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from unioneyes.kernel.access import Person, Role
from unioneyes.kernel.clock import now, rfc3339
from unioneyes.runbook.audit.entry import Action, AuditEntry
from unioneyes.runbook.problems import NameTaken, UnknownToken
from unioneyes.runbook.store.audit import AuditTrail
from unioneyes.runbook.store.database import ControlDatabase
from unioneyes.runbook.store.tables import tokens
from unioneyes.runbook.views import TokenView

PREFIX = "ue_"
"""By it, secret scanners and our own redaction know a token."""
_BYTES = 32
"""Drawn at random: so many that a plain hash is as safe as a slow one."""
_USE_NOTED_EVERY = timedelta(minutes=1)
LIVES = and_(tokens.c.revoked_at.is_(None), tokens.c.expires_at > func.clock_timestamp())
"""Whether a token lets anybody in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewToken:
    """A token that was just made. Its secret is told once."""

    view: TokenView
    secret: SecretStr


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who came in by a token."""

    number: int
    """The token's."""
    person: Person
    issuer: str | None
    """The identity provider by which they made it for themselves; None: an administrator made it."""


class Tokens:
    """Every question and every change, each in one transaction. Raises: ControlDatabaseUnavailable."""

    def __init__(self, database: ControlDatabase, audit: AuditTrail) -> None:
        """Keep tokens in `database`; who made and who revoked one stands in the audit log."""
        self._database = database
        self._audit = audit

    def create(self, name: str, *, roles: frozenset[Role], lasts: timedelta, by: str) -> NewToken:
        """Whoever shows the returned secret is `name`, until it ends or is revoked. Raises: NameTaken."""
        with self._database.transaction() as connection:
            return self._create(connection, name, roles=roles, until=func.clock_timestamp() + lasts, by=by)

    def create_own(self, person: Person, *, issuer: str, until: datetime) -> NewToken:
        """Whoever shows the returned secret is `person`, whom the provider knows; one that they made so before has ended.

        Raises: NameTaken, where an administrator made one.
        """
        with self._database.transaction() as connection:
            revoke_own(connection, self._audit, person.name, by=person.name)
            return self._create(connection, person.name, roles=person.roles, until=until, by=person.name, issuer=issuer)

    def holder(self, secret: str) -> Holder | None:
        """Return who holds the token; None when it was never made, has ended or was revoked. That it was used is noted, to the minute."""
        with self._database.transaction() as connection:
            row = connection.execute(select(tokens).where(tokens.c.secret_hash == hashed(secret), LIVES)).one_or_none()
            if row is None:
                return None
            connection.execute(
                update(tokens)
                .where(tokens.c.number == row.number, or_(tokens.c.last_used_at.is_(None), tokens.c.last_used_at < func.clock_timestamp() - _USE_NOTED_EVERY))
                .values(last_used_at=func.clock_timestamp())
            )
            return Holder(number=row.number, person=_person(row), issuer=row.issuer)

    def all(self) -> tuple[TokenView, ...]:
        """Return every token, newest first, those that let nobody in any more included."""
        with self._database.transaction() as connection:
            return tuple(_view(row) for row in connection.execute(select(tokens).order_by(tokens.c.number.desc())))

    def revoke(self, name: str, *, by: str) -> TokenView:
        """The token lets nobody in any more, from the next request on. Raises: UnknownToken."""
        with self._database.transaction() as connection:
            row = connection.execute(
                update(tokens)
                .where(tokens.c.name == name, tokens.c.revoked_at.is_(None))
                .values(revoked_at=func.clock_timestamp(), revoked_by=by)
                .returning(tokens)
            ).one_or_none()
            if row is None:
                raise UnknownToken(what=f"no token called {name!r} lets anybody in", remedy="ue token list")
            self._audit.append(connection, AuditEntry(at=now(), actor=by, action=Action.TOKEN_REVOKED, data={"name": name}))
        return _view(row)

    def _create(
        self, connection: Connection, name: str, *, roles: frozenset[Role], until: datetime | ColumnElement[datetime], by: str, issuer: str | None = None
    ) -> NewToken:
        secret = PREFIX + secrets.token_urlsafe(_BYTES)
        connection.execute(  # the name of one that has ended is free again
            update(tokens)
            .where(tokens.c.name == name, tokens.c.revoked_at.is_(None), tokens.c.expires_at <= func.clock_timestamp())
            .values(revoked_at=tokens.c.expires_at)
        )
        row = connection.execute(
            insert(tokens)
            .values(
                name=name,
                secret_hash=hashed(secret),
                roles=in_order(roles),
                issuer=issuer,
                created_by=by,
                expires_at=until,
            )
            .on_conflict_do_nothing(index_elements=[tokens.c.name], index_where=tokens.c.revoked_at.is_(None))
            .returning(tokens)
        ).one_or_none()
        if row is None:
            raise NameTaken(what=f"there is a token called {name} already", remedy=f"ue token revoke {name}, or choose another name")
        held: list[JsonValue] = [role.value for role in _view(row).roles]
        data: dict[str, JsonValue] = {"name": name, "roles": held, "expires_at": rfc3339(row.expires_at)}
        self._audit.append(connection, AuditEntry(at=now(), actor=by, action=Action.TOKEN_CREATED, data=data))
        return NewToken(view=_view(row), secret=SecretStr(secret))


def revoke_own(connection: Connection, audit: AuditTrail, name: str, *, by: str, but: frozenset[Role] | None = None) -> None:
    """A token that `name` made for themselves lets nobody in any more, unless its roles are `but` these."""
    own = and_(tokens.c.name == name, tokens.c.issuer.is_not(None), tokens.c.revoked_at.is_(None))
    if but is not None:
        own = and_(own, tokens.c.roles != in_order(but))
    if connection.execute(update(tokens).where(own).values(revoked_at=func.clock_timestamp(), revoked_by=by)).rowcount:
        audit.append(connection, AuditEntry(at=now(), actor=by, action=Action.TOKEN_REVOKED, data={"name": name}))


def in_order(roles: frozenset[Role]) -> list[Role]:
    """Return roles as they are kept."""
    return [role for role in Role if role in roles]


def hashed(secret: str) -> bytes:
    """Return what is kept of a secret that nobody can guess."""
    return hashlib.sha256(secret.encode()).digest()


def _person(row: Row[tuple[object, ...]]) -> Person:
    return Person(name=row.name, roles=frozenset(Role(role) for role in row.roles))


def _view(row: Row[tuple[object, ...]]) -> TokenView:
    return TokenView(
        name=row.name,
        roles=tuple(Role(role) for role in row.roles),
        created_by=row.created_by,
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
        revoked_by=row.revoked_by,
    )
