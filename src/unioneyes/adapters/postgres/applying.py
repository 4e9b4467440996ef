"""Migrations are applied and taken back: together in one transaction as far as one can hold them, statement by statement where it can't."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from itertools import takewhile

import psycopg
from pydantic import SecretStr

from unioneyes.adapters.postgres import drift
from unioneyes.adapters.postgres.backfill import backfills
from unioneyes.adapters.postgres.drizzle import chunks
from unioneyes.adapters.postgres.grants import refused_grant
from unioneyes.adapters.postgres.ledger import ensure_ledger, read_ledger, record, strike
from unioneyes.adapters.postgres.locks import in_one_transaction
from unioneyes.adapters.postgres.outside import Script, carry_out, forget, progress_of
from unioneyes.adapters.postgres.statements import first_refused, first_unfit
from unioneyes.adapters.postgres.words import unnamed
from unioneyes.kernel.problems import Refused
from unioneyes.ports.database import LockNotObtained, Migration, MigrationDrift, MigrationFailed, NoRollback

_UNCHANGED = "nothing was changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Apart:
    """What comes next, and can't stand in a transaction."""

    script: Script
    due: Callable[[], bool]
    """Whether it is still to be done."""
    settle: Callable[[], None]
    """The ledger says that it was done."""


def in_parts(
    session: psycopg.Connection,
    database_url: SecretStr,
    together: Callable[[], tuple[tuple[str, ...], Apart | None]],
    *,
    patience: timedelta,
    meanwhile: Callable[[str], None],
) -> tuple[tuple[str, ...], timedelta]:
    """Everything is done: `together` in one transaction, what it names behind that apart, and so on. Return the tags, and how long locks were waited for.

    Raises: what the parts raise, with what stands by then.
    """
    done: tuple[str, ...] = ()
    waited = timedelta(0)
    try:
        while True:
            (tags, apart), longer = in_one_transaction(session, database_url, together, patience=patience)
            done, waited = done + tags, waited + longer
            if apart is None:
                return done, waited
            was_due, longer = carry_out(session, database_url, apart.script, due=apart.due, settle=apart.settle, patience=patience, meanwhile=meanwhile)
            done, waited = done + ((apart.script.tag,) if was_due else ()), waited + longer
    except (MigrationFailed, LockNotObtained) as problem:
        if done:
            raise replace(problem, what=problem.what.replace(_UNCHANGED, f"{', '.join(done)} was done before, and stays")) from None
        raise


def apply_together(migrations: tuple[Migration, ...], session: psycopg.Connection) -> tuple[tuple[str, ...], Apart | None]:
    """Of `migrations`, those that the ledger lacks stand there, up to the first that can't stand in a transaction, which comes apart."""
    missing = drift.pending(migrations, drift.concerned(migrations, read_ledger(session)))
    for migration in missing:
        _refuse_unfit(migration.tag, migration.sql)
    if missing:
        ensure_ledger(session, named=missing[0].named)
    fit = tuple(takewhile(lambda migration: migration.transactional, missing))
    for migration in fit:
        _execute(session, f"{migration.tag}.sql", migration.sql)
        record(session, migration)
    following = missing[len(fit) : len(fit) + 1]
    tags = tuple(migration.tag for migration in fit)
    return tags, _forward(session, migrations, following[0]) if following else None


def take_back_together(migrations: tuple[Migration, ...], session: psycopg.Connection) -> tuple[tuple[str, ...], Apart | None]:
    """Of `migrations`, those in the ledger and one that was begun are taken back, up to the first whose way back can't stand in a transaction."""
    entries = drift.aligned(read_ledger(session), migrations)
    applied = _applied(migrations, entries)
    _refuse_gap(applied, entries)
    begun = tuple(migration for migration in reversed(migrations) if migration not in applied and progress_of(session, _script(migration)))
    going = [(migration, _rollback_sql(migration)) for migration in (*begun, *applied)]
    fit = list(takewhile(lambda one: first_unfit(one[1]) is None, going))
    for migration, script in fit:
        _execute(session, f"the rollback of {migration.tag}", script)
        strike(session, migration)
        forget(session, _script(migration))
    following = going[len(fit) : len(fit) + 1]
    tags = tuple(migration.tag for migration, _ in fit)
    return tags, _back(session, *following[0]) if following else None


def _forward(session: psycopg.Connection, migrations: tuple[Migration, ...], migration: Migration) -> Apart:
    def due() -> bool:
        return migration in drift.pending(migrations, drift.concerned(migrations, read_ledger(session)))

    return Apart(script=_script(migration), due=due, settle=partial(record, session, migration))


def _back(session: psycopg.Connection, migration: Migration, script: str) -> Apart:
    def due() -> bool:
        there = drift.aligned(read_ledger(session), (migration,))
        return any(drift.is_of(entry, migration) for entry in there) or progress_of(session, _script(migration)) is not None

    def settle() -> None:
        strike(session, migration)
        forget(session, _script(migration))

    return Apart(script=Script(tag=migration.tag, file=f"the rollback of {migration.tag}", sql=script), due=due, settle=settle)


def _script(migration: Migration) -> Script:
    return Script(tag=migration.tag, file=f"{migration.tag}.sql", sql=migration.sql)


def _execute(session: psycopg.Connection, file: str, script: str) -> None:
    """Every statement of `script` was executed. Raises: MigrationFailed, DatabaseUnavailable by the connection; lock errors pass, to be tried again."""
    for chunk in chunks(script):
        try:
            session.execute(chunk.sql.encode())
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            raise
        except psycopg.Error as error:
            if session.closed:
                raise
            # Only the primary message: the detail quotes values of rows, which are members' data.
            said = error.diag.message_primary or type(error).__name__
            line = chunk.line_of(int(error.diag.statement_position or 0))
            raise MigrationFailed(
                what=f"{file}, statement {chunk.number}, line {line}: {said}; everything was rolled back, and nothing was changed",
                remedy=refused_grant(error, session.info.user) or "correct the migration, and release it again",
            ) from None


def _refuse_unfit(called: str, script: str) -> None:
    refused = first_refused(script)
    if refused is not None:
        raise Refused(
            what=f"{called} can't be carried out: line {refused.line} says {refused.words}; nothing was changed",
            remedy="leave it out: the runner begins and ends its transactions itself; what is not about this database is done by hand",
        )
    backfills(script)
    for line in unnamed(script):
        raise Refused(
            what=f"{called} can't be carried out: line {line} builds an index CONCURRENTLY that has no name; nothing was changed",
            remedy="give it a name: CREATE INDEX CONCURRENTLY name ON ...; else nobody finds what a failed attempt left",
        )


def _rollback_sql(migration: Migration) -> str:
    if migration.rollback_sql is None:
        raise NoRollback(
            what=f"{migration.tag} has no rollback file; nothing was changed",
            remedy=f"write {migration.tag}_rollback.sql, or restore the backup taken before it",
        )
    _refuse_unfit(f"the rollback of {migration.tag}", migration.rollback_sql)
    return migration.rollback_sql


def _applied(migrations: tuple[Migration, ...], entries: tuple[drift.Entry, ...]) -> tuple[Migration, ...]:
    """Return those of `migrations` that the ledger holds, newest first. Raises: MigrationDrift when one was edited since."""
    hashes = {entry.when: entry.sha256 for entry in entries}
    for migration in migrations:
        if hashes.get(migration.when, migration.sha256) != migration.sha256:
            raise MigrationDrift(
                what=f"{migration.tag} was edited after it was applied, so its rollback may not fit; nothing was changed",
                remedy="restore the file as it was applied",
            )
    return tuple(sorted((migration for migration in migrations if migration.when in hashes), key=lambda migration: migration.when, reverse=True))


def _refuse_gap(applied: tuple[Migration, ...], entries: tuple[drift.Entry, ...]) -> None:
    """Refuse to take back a migration on which a newer one stands that is to stay."""
    if not applied:
        return
    own = {migration.when for migration in applied}
    on_top = [entry for entry in entries if entry.when > applied[-1].when and entry.when not in own]
    if on_top:
        raise MigrationDrift(
            what=f"{applied[-1].tag} can't be taken back: row {on_top[0].id} of the ledger ({on_top[0].sha256[:12]}) is newer and stays; nothing was changed",
            remedy="take the newer migrations back too",
        )
