"""Accounts of a chat that stand for somebody here. Such a link is a session that has an account in the place of a browser: it ends as sessions do."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import JsonValue, SecretStr
from sqlalchemy import Connection, and_, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from unioneyes.kernel.access import Person, Role
from unioneyes.kernel.clock import now, rfc3339
from unioneyes.runbook.approvals import require_one_person
from unioneyes.runbook.audit.entry import Action, AuditEntry
from unioneyes.runbook.problems import AccountTaken, CodeWrong
from unioneyes.runbook.store.audit import AuditTrail
from unioneyes.runbook.store.database import ControlDatabase
from unioneyes.runbook.store.sessions import OPEN, Session, noted, session_of, view_of
from unioneyes.runbook.store.tables import link_codes, sessions, tokens
from unioneyes.runbook.store.tokens import LIVES, hashed, in_order
from unioneyes.runbook.views import SessionView

CODE_LASTS = timedelta(minutes=10)
"""Time to go from the console to the chat."""
_ALPHABET = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"
"""Without what a person takes for something else: I, L, O, 0, 1."""
_GROUPS, _GROUP = 4, 5
"""Of letters: 99 bits, which nobody guesses in ten minutes; a plain hash is as good as a slow one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkCode:
    """What somebody types into the chat, once. It is told here, and never again."""

    secret: SecretStr
    expires_at: datetime


class Links:
    """Every question and every change, each in one transaction, its audit entry included. Raises: ControlDatabaseUnavailable."""

    def __init__(self, database: ControlDatabase, audit: AuditTrail) -> None:
        """Keep links in `database`; who made and who ended one stands in the audit log."""
        self._database = database
        self._audit = audit

    def offer(self, person: Person, *, token: int | None, issuer: str | None, until: datetime | None) -> LinkCode:
        """Return the code by which an account comes to stand for `person`, in the place of the last one they had.

        The link will last as long as the token of that number; or without one, until the session ends in which the provider said who they are.
        Raises: NotAllowed, where it is the environment's own token, whose yes is nobody's.
        """
        require_one_person(person)
        code = "-".join("".join(secrets.choice(_ALPHABET) for _ in range(_GROUP)) for _ in range(_GROUPS))
        lasts_until = until if token is None else select(tokens.c.expires_at).where(tokens.c.number == token).scalar_subquery()
        kept = {
            "secret_hash": _hash(code),
            "roles": in_order(person.roles),
            "token": token,
            "issuer": issuer if token is None else None,
            "lasts_until": lasts_until,
            "expires_at": func.clock_timestamp() + CODE_LASTS,
        }
        with self._database.transaction() as connection:
            offered = insert(link_codes).values(name=person.name, **kept)
            offered = offered.on_conflict_do_update(index_elements=[link_codes.c.name], set_={name: offered.excluded[name] for name in kept})
            expires_at: datetime = connection.execute(offered.returning(link_codes.c.expires_at)).scalar_one()
        return LinkCode(secret=SecretStr(code), expires_at=expires_at)

    def link(self, code: str, account: str) -> Session:
        """What is said from the account is from now on said by whoever made the code, which is worth nothing any more.

        Raises: CodeWrong, where it was never made, was used, or is over; AccountTaken, where the account is somebody else's already.
        """
        with self._database.transaction() as connection:
            lives = or_(link_codes.c.token.is_(None), select(tokens.c.number).where(tokens.c.number == link_codes.c.token, LIVES).exists())
            good = and_(link_codes.c.secret_hash == _hash(code), link_codes.c.expires_at > func.clock_timestamp(), lives)
            offered = connection.execute(delete(link_codes).where(good).returning(link_codes)).one_or_none()
            if offered is None:
                raise CodeWrong(what="this is no code of this server, or it was used, or is older than ten minutes", remedy="make another one in the console")
            self._free(connection, account, offered.name)
            kept = {name: getattr(offered, name) for name in ("name", "roles", "token", "issuer")}
            secret = secrets.token_bytes(32)  # of which it would be the hash: nobody has it, so no browser comes in by it
            made = insert(sessions).values(**kept, shared=False, account=account, secret_hash=secret, expires_at=offered.lasts_until)
            expires_at: datetime = connection.execute(made.returning(sessions.c.expires_at)).scalar_one()
            data: dict[str, JsonValue] = {
                "account": account,
                "roles": [Role(role).value for role in offered.roles],
                "by": offered.issuer or "token",
                "expires_at": rfc3339(expires_at),
            }
            self._audit.append(connection, AuditEntry(at=now(), actor=offered.name, action=Action.ACCOUNT_LINKED, data=data))
            linked = session_of(connection, sessions.c.account == account)
            if linked is None:
                raise CodeWrong(what="what the code was made with has just ended", remedy="sign in to the console, and make another one")
            return linked

    def holder(self, account: str) -> Session | None:
        """Return for whom the account stands; None for nobody. That it was used is noted, to the minute."""
        with self._database.transaction() as connection:
            return noted(connection, sessions.c.account == account)

    def of(self, name: str) -> tuple[SessionView, ...]:
        """Return the accounts that stand for `name`, the latest first."""
        wanted = select(sessions).where(sessions.c.name == name, sessions.c.account.is_not(None), OPEN).order_by(sessions.c.number.desc())
        with self._database.transaction() as connection:
            return tuple(view_of(row) for row in connection.execute(wanted))

    def end(self, name: str, *, by: str) -> None:
        """No account stands for `name` any more, and no code of theirs makes one do so."""
        with self._database.transaction() as connection:
            connection.execute(delete(link_codes).where(link_codes.c.name == name))
            theirs = and_(sessions.c.name == name, sessions.c.account.is_not(None), OPEN)
            ended = connection.execute(update(sessions).where(theirs).values(ended_at=func.clock_timestamp(), ended_by=by).returning(sessions.c.account))
            if accounts := sorted(ended.scalars()):
                data: dict[str, JsonValue] = {"name": name, "accounts": ", ".join(accounts)}
                self._audit.append(connection, AuditEntry(at=now(), actor=by, action=Action.ACCOUNT_UNLINKED, data=data))

    @staticmethod
    def _free(connection: Connection, account: str, name: str) -> None:
        """The account stands for nobody. Raises: AccountTaken, where that would take it from somebody else than `name`."""
        standing = connection.execute(select(sessions.c.name).where(sessions.c.account == account, OPEN)).scalar_one_or_none()
        if standing not in {None, name}:
            raise AccountTaken(
                what=f"this account is {standing} here, and the code is somebody else's", remedy=f"{standing} ends that on the page behind their name, first"
            )
        former = and_(sessions.c.account == account, sessions.c.ended_at.is_(None))
        connection.execute(update(sessions).where(former).values(ended_at=func.least(func.clock_timestamp(), sessions.c.expires_at), ended_by=name))


def _hash(code: str) -> bytes:
    """Return what is kept of a code, however a person typed it."""
    return hashed("".join(letter for letter in code.upper() if letter in _ALPHABET))
