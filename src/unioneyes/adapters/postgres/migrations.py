"""The schema's history: Drizzle folders say what is wanted, Drizzle's ledger says what is there."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from itertools import groupby
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import class_row
from psycopg.sql import SQL, Identifier
from pydantic import SecretStr

from unioneyes.adapters.postgres import drift
from unioneyes.adapters.postgres.applying import Apart, apply_together, in_parts, take_back_together
from unioneyes.adapters.postgres.connections import connection, sql
from unioneyes.adapters.postgres.drizzle import MigrationFile, read_folders
from unioneyes.adapters.postgres.ledger import read_ledger, rows
from unioneyes.adapters.postgres.lint import lint
from unioneyes.adapters.postgres.locks import LOCK_TIMEOUT, PATIENCE
from unioneyes.adapters.postgres.losses import Destroyed, destroyed
from unioneyes.adapters.postgres.outside import unfinished
from unioneyes.adapters.postgres.risks import risks
from unioneyes.adapters.postgres.statements import first_unfit
from unioneyes.kernel.project import project_path
from unioneyes.ports.database import (
    FolderUnreadable,
    LedgerRow,
    LintFinding,
    Loss,
    LossKind,
    Migration,
    MigrationDrift,
    MigrationsApplied,
    Risk,
    Standing,
    TableSize,
    untold,
)

_READ_LIMIT = timedelta(seconds=10)
_STATEMENT_LIMIT = timedelta(minutes=15)
"""Of one statement of a migration. One that needs longer belongs in batches."""
_COUNT_LIMIT = timedelta(minutes=1)
"""Of counting the rows of one table or column."""
_SHOWN_ROWS = 5
"""Source: Production Deployment Steps, 2, "LIMIT 5"."""
_ASK_FOR_NAMES = "SELECT count(*) > 0 AS named FROM pg_attribute WHERE attrelid = 'drizzle.__drizzle_migrations'::regclass AND attname = 'name' \\gset"
"""A ledger that Drizzle 0.45 made has no names until Drizzle 1.0 gives it some."""
_LOOK_AT_LEDGER = "SELECT * FROM drizzle.__drizzle_migrations ORDER BY created_at DESC LIMIT 5;"


@dataclass(frozen=True, slots=True, kw_only=True)
class DrizzleMigrations:
    """Implements the port `Migrations` on one database."""

    database_url: SecretStr
    """As the role that owns the schema."""
    versions: Callable[[], tuple[str, ...]]
    """Every version of the catalogue: their migrations give the ledger's rows their names."""
    folders: Callable[[str], tuple[Path, ...]]
    """The Drizzle folders of a version, oldest first; they form one history."""
    upto: Callable[[str], str]
    """Tag of the newest migration that a version needs; what its folders hold beyond is not its own."""
    reading_url: SecretStr
    """As a role that reads past row level security: what would be lost is counted, and the schema's owner sees no tenant's rows."""
    patience: timedelta = PATIENCE
    """How long to try for a lock."""

    def folder(self, version: str) -> tuple[Migration, ...]:
        """Return every migration that the release carries, in order; a service without folders has none. Raises: FolderUnreadable."""
        if not self.folders(version):
            return ()
        carried = tuple(file.migration for file in read_folders(self.folders(version)))
        newest = self.upto(version)
        tags = [migration.tag for migration in carried]
        if newest not in tags:
            raise FolderUnreadable(what=f"{version} needs the migration {newest}, which its folders do not hold", remedy="add it, or correct the catalogue")
        return carried[: tags.index(newest) + 1]

    def pending(self, version: str) -> tuple[Migration, ...]:
        """Return what the ledger lacks of the release's folder. Raises: FolderUnreadable, MigrationDrift, DatabaseUnavailable."""
        with self._session(self.database_url, _READ_LIMIT) as session:
            return drift.pending(self.folder(version), read_ledger(session))

    def ledger(self, *, last: int = _SHOWN_ROWS) -> tuple[LedgerRow, ...]:
        """Return the newest rows of the ledger, newest first. Raises: FolderUnreadable, DatabaseUnavailable."""
        with self._session(self.database_url, _READ_LIMIT) as session:
            return rows(read_ledger(session), self.tags(), last=last)

    def applied(self) -> tuple[Migration, ...]:
        """Return every migration of the ledger, oldest first. Raises: MigrationDrift, FolderUnreadable, DatabaseUnavailable."""
        with self._session(self.database_url, _READ_LIMIT) as session:
            entries = read_ledger(session)
        known = {sha256: file.migration for sha256, file in self._files().items()}
        strange = [entry for entry in entries if entry.sha256 not in known or not drift.is_of(entry, known[entry.sha256])]
        if strange:
            raise MigrationDrift(
                what=f"row {strange[0].id} of the ledger ({strange[0].sha256[:12]}) is explained by no release's migrations: its file was edited, or is gone",
                remedy="restore the migrations as they were applied, or correct the ledger drizzle.__drizzle_migrations by hand; nothing was changed",
            )
        return tuple(known[entry.sha256] for entry in reversed(entries))

    def losses(self, migrations: tuple[Migration, ...], *, counted: bool) -> tuple[Loss, ...]:
        """Return what taking `migrations` back destroys, newest migration first; with `counted`, and how many rows hold a value now.

        Raises: DatabaseUnavailable.
        """
        newest_first = sorted(migrations, key=lambda migration: migration.when, reverse=True)
        found = [(migration.tag, one) for migration in newest_first for one in destroyed(migration.rollback_sql or "")]
        if not counted or not found:
            return tuple(Loss(migration=tag, kind=one.kind, what=one.what, rows=None) for tag, one in found)
        with self._session(self.reading_url, _COUNT_LIMIT) as session:
            return tuple(Loss(migration=tag, kind=one.kind, what=one.what, rows=_held(session, one)) for tag, one in found)

    def standing(self, version: str) -> Standing:
        """Return how the ledger stands to the release's folder; drift is told, not raised. Raises: FolderUnreadable, UnknownVersion, DatabaseUnavailable."""
        wanted = self.folder(version)
        with self._session(self.database_url, _READ_LIMIT) as session:
            entries = drift.aligned(read_ledger(session), wanted)
            begun = unfinished(session)
        return Standing(
            version=version,
            rows=rows(entries, self.tags(), last=len(entries)),
            pending=tuple(migration.tag for migration in drift.missing(wanted, entries)),
            drift=drift.contradictions(wanted, entries),
            unfinished=begun,
            ahead=tuple(entry.id for entry in entries if not wanted or entry.when > wanted[-1].when),
        )

    def risks(self, migrations: tuple[Migration, ...]) -> tuple[Risk, ...]:
        """Return what each statement of `migrations` does to whoever is served meanwhile, in order, by its text alone."""
        return risks(migrations)

    def sizes(self, tables: tuple[str, ...]) -> tuple[TableSize, ...]:
        """Return how large each of `tables` is, estimated, in the same order. Raises: DatabaseUnavailable."""
        if not tables:
            return ()
        with self._session(self.reading_url, _READ_LIMIT) as session, session.cursor(row_factory=class_row(TableSize)) as cursor:
            return tuple(cursor.execute(sql("migration_sizes"), {"tables": list(tables)}))

    def lint(self, migrations: tuple[Migration, ...]) -> tuple[LintFinding, ...]:
        """Return what is dangerous in `migrations`. Raises: LintUnavailable."""
        return lint(migrations)

    def apply(
        self, migrations: tuple[Migration, ...], *, database_url: SecretStr | None = None, meanwhile: Callable[[str], None] = untold
    ) -> MigrationsApplied:
        """Of `migrations`, those that the ledger lacks stand in the schema and in the ledger, by the text that was given.

        Raises: FolderUnreadable, MigrationDrift, Refused (a statement may not stand in a migration), MigrationFailed, LockNotObtained, DatabaseUnavailable.
        """
        return self._change(database_url, migrations, partial(apply_together, migrations), meanwhile)

    def describe_apply(self, migrations: tuple[Migration, ...]) -> tuple[str, ...]:
        """Return the commands that a person would type for the same. Source: Production Deployment Steps, 2."""
        files = self._files()
        begins = bool(migrations) and migrations[0].when == min(file.migration.when for file in files.values())
        named = any(migration.named for migration in migrations)
        body = [sql("ledger_create_named" if named else "ledger_create").rstrip()] if begins else []
        body += [_ASK_FOR_NAMES] if named else []
        pieces = [([f"\\i {_shown(files[migration.sha256].path)}", *_recorded(migration)], migration.transactional) for migration in migrations]
        return self._describe([(body, True), *pieces])

    def roll_back(
        self, migrations: tuple[Migration, ...], *, database_url: SecretStr | None = None, meanwhile: Callable[[str], None] = untold
    ) -> MigrationsApplied:
        """Of `migrations`, those in the ledger, and one that was begun, are taken back, newest first, ledger corrected; `tags` names them.

        Raises: NoRollback, MigrationDrift (one was edited since, or something newer stands on it), Refused (a statement may not stand there), MigrationFailed,
        LockNotObtained, DatabaseUnavailable.
        """
        return self._change(database_url, migrations, partial(take_back_together, migrations), meanwhile)

    def describe_roll_back(self, migrations: tuple[Migration, ...]) -> tuple[str, ...]:
        """Return the commands that a person would type for the same. Source: Rollback Procedures, option C."""
        files = self._files()
        pieces: list[tuple[list[str], bool]] = []
        for migration in sorted(migrations, key=lambda migration: migration.when, reverse=True):
            script = files[migration.sha256].rollback_path
            if script is None:
                return (f"# {migration.tag} has no rollback file: restore the backup that was taken before it",)
            struck = f"DELETE FROM drizzle.__drizzle_migrations WHERE hash = '{migration.sha256}' AND {_at(migration)};"  # noqa: S608 - printed
            pieces.append(([f"\\i {_shown(script)}", struck], first_unfit(migration.rollback_sql or "") is None))
        return self._describe(pieces)

    def tags(self) -> dict[str, str]:
        """Return the names of the catalogue's migrations by their hash. Raises: FolderUnreadable."""
        return {sha256: file.migration.tag for sha256, file in self._files().items()}

    def _files(self) -> dict[str, MigrationFile]:
        histories = dict.fromkeys(self.folders(version) for version in self.versions())
        return {file.migration.sha256: file for history in histories for file in read_folders(history)}

    def _change(
        self,
        database_url: SecretStr | None,
        migrations: tuple[Migration, ...],
        together: Callable[[psycopg.Connection], tuple[tuple[str, ...], Apart | None]],
        meanwhile: Callable[[str], None],
    ) -> MigrationsApplied:
        began = time.monotonic()
        names = self.tags() | {migration.sha256: migration.tag for migration in migrations}
        url = database_url or self.database_url
        with self._session(url, _STATEMENT_LIMIT) as session:
            before = _columns(session)
            changed, waited = in_parts(session, url, partial(together, session), patience=self.patience, meanwhile=meanwhile)
            after = set(_columns(session))
            ledger = rows(read_ledger(session), names, last=_SHOWN_ROWS)
        took = timedelta(seconds=time.monotonic() - began)
        dropped = tuple(column for column in before if column not in after)
        return MigrationsApplied(tags=changed, took=took, waited_for_locks=waited, ledger=ledger, dropped=dropped)

    def _describe(self, pieces: list[tuple[list[str], bool]]) -> tuple[str, ...]:
        """Return what a person types for lines of SQL, each with whether a transaction can hold it: what can stands in one together."""
        if not any(lines for lines, _ in pieces):
            return ()
        address = conninfo_to_dict(self.database_url.get_secret_value())
        psql = f"psql -h {address['host']} -p {address.get('port', 5432)} -U {address['user']} -d {address['dbname']} -v ON_ERROR_STOP=1"
        lock_timeout = f"SET LOCAL lock_timeout = '{round(LOCK_TIMEOUT.total_seconds() * 1000)}ms';"
        body: list[str] = []
        for together, group in groupby((piece for piece in pieces if piece[0]), key=lambda piece: piece[1]):
            lines = [line for piece, _ in group for line in piece]
            body += ["BEGIN;", lock_timeout, *lines, "COMMIT;"] if together else lines
        return ("\n".join([f"{psql} <<'EOF'", *body, "EOF"]), f'{psql} -c "{_LOOK_AT_LEDGER}"')

    @staticmethod
    def _session(database_url: SecretStr, statement_limit: timedelta) -> AbstractContextManager[psycopg.Connection]:
        return connection(database_url, name="ue-migrate", statement_limit=statement_limit)


def _recorded(migration: Migration) -> tuple[str, ...]:
    """Return what `psql` does to write a migration into the ledger: with its name where the ledger keeps names."""
    plain = f"INSERT INTO drizzle.__drizzle_migrations (hash, created_at) VALUES ('{migration.sha256}', {migration.when});"  # noqa: S608 - printed
    if not migration.named:
        return (plain,)
    named = f"INSERT INTO drizzle.__drizzle_migrations (hash, created_at, name) VALUES ('{migration.sha256}', {migration.when}, '{migration.tag}');"  # noqa: S608 - printed
    return ("\\if :named", named, "\\else", plain, "\\endif")


def _at(migration: Migration) -> str:
    return f"created_at / 1000 = {migration.when // 1000}" if migration.named else f"created_at = {migration.when}"


def _columns(session: psycopg.Connection) -> tuple[str, ...]:
    return tuple(str(row[0]) for row in session.execute(sql("migration_columns")))


def _held(session: psycopg.Connection, loss: Destroyed) -> int | None:
    """Return how many rows hold what would be destroyed; None where that can't be counted. What is not there any more holds nothing."""
    if loss.kind is LossKind.UNKNOWN:
        return None
    counted = SQL("count({})").format(Identifier(loss.column)) if loss.column else SQL("count(*)")
    try:
        row = session.execute(SQL("SELECT {} FROM {}").format(counted, Identifier(*loss.table))).fetchone()
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn, psycopg.errors.InvalidSchemaName):
        return 0
    except psycopg.errors.QueryCanceled:
        return None
    return int(row[0]) if row else 0


def _shown(path: Path) -> str:
    """Return `path` as it is written from the project's root, so that a plan reads the same wherever it is made."""
    root = project_path("")
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
