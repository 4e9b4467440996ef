"""The operated database: its migrations and its backups."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from pydantic import SecretStr

from unioneyes.kernel.problems import BadInput, Problem, Refused, Unavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One migration of a release's Drizzle folder."""

    tag: str
    """`0001_claim_deadlines`: its file's name without `.sql`; in Drizzle 1.0's layout its folder's."""
    sha256: str
    """Of the file, as Drizzle's ledger records it."""
    when: int
    """Milliseconds since the epoch, from the folder's journal, or from its own folder's name; the order."""
    sql: str
    rollback_sql: str | None
    """From `0001_claim_deadlines_rollback.sql` or `0001_rollback.sql` beside it; None when there is none."""
    transactional: bool
    """False when a statement can't run in a transaction (CREATE INDEX CONCURRENTLY, ...), or must not (a backfill in batches)."""
    needs_maintenance: bool
    """True when its first line says `-- ue: maintenance`."""
    named: bool = False
    """True in Drizzle 1.0's layout: the ledger holds its name, and its time has whole seconds."""

    @property
    def content(self) -> dict[str, str]:
        """The SHA-256 of the text of each of its files, by what people call it."""
        texts = {f"{self.tag}.sql": self.sql, f"the rollback file of {self.tag}.sql": self.rollback_sql}
        return {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items() if text is not None}


def contents(migrations: tuple[Migration, ...]) -> dict[str, str]:
    """Return the SHA-256 of the text of each file of `migrations`, by what people call it."""
    return {name: sha256 for migration in migrations for name, sha256 in migration.content.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRow:
    """One row of `drizzle.__drizzle_migrations`."""

    id: int
    tag: str | None
    """The migration's name, found by its hash; None when no known migration has it."""
    sha256: str
    created_at: datetime
    """The journal's `when`, not the time of application."""
    applied_at: datetime | None = None
    """When it was applied, as Drizzle 1.0 keeps it; None where the ledger does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LintFinding:
    """One thing a migration should not do."""

    tag: str
    rule: str
    line: int
    """1-based."""
    message: str
    blocks: bool
    """True for an error; a warning is shown and does not block."""


class Blocks(StrEnum):
    """Whom a statement keeps waiting as long as it, or its transaction, lasts."""

    NOBODY = "nobody"
    ROWS = "writers of its rows"
    """Whoever writes the same rows; everybody else goes on."""
    WRITES = "writes"
    ALL = "reads and writes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Risk:
    """What one statement of a migration does to whoever is served meanwhile, by its text alone."""

    tag: str
    line: int
    """1-based, of the migration's file."""
    statement: str
    """What it is, without literals: `ALTER TABLE claims ADD COLUMN due`."""
    table: str | None
    """The table that it is about, `claims` or `billing.invoices`; None where its text names none."""
    lock: str | None
    """The strongest lock that it takes on a table, by PostgreSQL's name; empty where it takes none, None where nobody can tell by its text."""
    blocks: Blocks | None
    """None where nobody can tell by its text."""
    rewrites: bool | None
    """Whether the whole table is written anew meanwhile; None where nobody can tell by its text."""
    scans: bool | None
    """Whether the whole table is read meanwhile; None where nobody can tell by its text."""
    note: str = ""
    """Why, or what would be gentler."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSize:
    """How large a table is, by the server's own statistics."""

    table: str
    rows: int | None
    """As the last ANALYZE estimated; None where there was none yet."""
    bytes: int
    """With its indexes and what it keeps elsewhere; 0 where it is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How the database's schema stands to what a release wants of it."""

    version: str
    """The release."""
    rows: tuple[LedgerRow, ...]
    """Every row of the ledger, newest first."""
    pending: tuple[str, ...]
    """Tags of what the ledger lacks of the release's migrations, in order."""
    drift: tuple[str, ...]
    """A sentence for each contradiction between the ledger and the release's migrations; while there is one, nothing is applied."""
    ahead: tuple[int, ...]
    """Rows, by id, that are newer than what the release knows: the schema is ahead of it."""
    unfinished: str | None = None
    """Tag of a migration that was begun outside of a transaction and has not come to its end; the next attempt goes on with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationsApplied:
    """The pending migrations stand in the schema and in the ledger."""

    tags: tuple[str, ...]
    """Applied now, in order; empty when all stood there already."""
    took: timedelta
    waited_for_locks: timedelta
    ledger: tuple[LedgerRow, ...]
    """The last five rows, newest first."""
    dropped: tuple[str, ...] = ()
    """Columns that stood before and don't any more, as the catalogue says: `claims.deadline`."""


class LossKind(StrEnum):
    """What becomes of members' data when a migration is taken back."""

    TABLE = "table"
    """The table goes, with all its rows."""
    COLUMN = "column"
    """The column goes, with all its values."""
    VALUES = "values"
    """Values are changed or rows deleted; which ones, its text does not tell."""
    UNKNOWN = "unknown"
    """It runs code whose effect its text does not tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """One thing that taking a migration back destroys."""

    migration: str
    """Tag of the migration."""
    kind: LossKind
    what: str
    """`claims.deadline`, `claims`; for what is unknown, the statement's first words."""
    rows: int | None
    """Rows that hold a value there now; None where nobody counted, or nobody can."""

    def __str__(self) -> str:
        """Return it as a person would say it."""
        held = "" if self.rows is None else f" ({self.rows:,} rows hold a value now)"
        match self.kind:
            case LossKind.TABLE | LossKind.COLUMN:
                return f"taking {self.migration} back drops {self.what}: what members write there is lost{held}"
            case LossKind.VALUES:
                return f"taking {self.migration} back changes what members wrote in {self.what}{held}"
            case LossKind.UNKNOWN:
                return f"taking {self.migration} back runs {self.what}, and nobody can tell beforehand what that destroys"


def untold(line: str) -> None:
    """Nobody wants to know."""
    del line


class Migrations(Protocol):
    """The schema's history. A release's folder decides what is wanted; the ledger says what is there."""

    def folder(self, version: str) -> tuple[Migration, ...]:
        """Return every migration that the release carries, in order. Raises: FolderUnreadable."""

    def pending(self, version: str) -> tuple[Migration, ...]:
        """Return what the ledger lacks of the release's folder.

        Raises: MigrationDrift (edited after it was applied, out of order, or unknown to the folder; each named), DatabaseUnavailable.
        """

    def ledger(self, *, last: int = 5) -> tuple[LedgerRow, ...]:
        """Return the newest rows of the ledger, newest first."""

    def applied(self) -> tuple[Migration, ...]:
        """Return every migration of the ledger, oldest first. Raises: MigrationDrift (no release's folder explains a row), DatabaseUnavailable."""

    def losses(self, migrations: tuple[Migration, ...], *, counted: bool) -> tuple[Loss, ...]:
        """Return what taking `migrations` back destroys, by the text of their rollback files, newest migration first.

        With `counted`, the rows that hold a value now are counted in the database; without, it is not asked at all. Raises: DatabaseUnavailable.
        """

    def standing(self, version: str) -> Standing:
        """Return how the ledger stands to the release's folder; drift is told, not raised. Raises: FolderUnreadable, UnknownVersion, DatabaseUnavailable."""

    def risks(self, migrations: tuple[Migration, ...]) -> tuple[Risk, ...]:
        """Return what each statement of `migrations` does to whoever is served meanwhile, in order, by its text alone; the database is not asked."""

    def sizes(self, tables: tuple[str, ...]) -> tuple[TableSize, ...]:
        """Return how large each of `tables` is, estimated, in the same order. Raises: DatabaseUnavailable."""

    def lint(self, migrations: tuple[Migration, ...]) -> tuple[LintFinding, ...]:
        """Return what is dangerous in `migrations`."""

    def apply(
        self, migrations: tuple[Migration, ...], *, database_url: SecretStr | None = None, meanwhile: Callable[[str], None] = untold
    ) -> MigrationsApplied:
        """Of `migrations`, those that the ledger lacks stand in the schema, by the text that was given, whatever their files say by now.

        Together in one transaction, with an advisory lock, and lock_timeout with back-off. One that is not transactional comes statement by statement, each
        marked: where it fails or is cut off, what was done stands, and the next attempt goes on there. On `database_url` when given; `meanwhile` is told
        how far it is. Raises: MigrationFailed, MigrationDrift, Refused (a statement may not stand in a migration), LockNotObtained, ReplicaBehind,
        DatabaseUnavailable. Each says what was changed: nothing, where all are transactional.
        """

    def describe_apply(self, migrations: tuple[Migration, ...]) -> tuple[str, ...]:
        """Return the commands that a person would type for the same."""

    def roll_back(
        self, migrations: tuple[Migration, ...], *, database_url: SecretStr | None = None, meanwhile: Callable[[str], None] = untold
    ) -> MigrationsApplied:
        """Of `migrations`, those in the ledger, and one that was begun and not ended, are taken back by the text that was given, newest first.

        `tags` names them. In one transaction, as far as one can hold their rollback files. The ledger says so, too. Raises: NoRollback (one has no rollback
        file; nothing was changed), MigrationDrift (one was edited since, or a newer one stands on it and stays), Refused (a statement may not stand in a
        migration), MigrationFailed, LockNotObtained, ReplicaBehind, DatabaseUnavailable.
        """

    def describe_roll_back(self, migrations: tuple[Migration, ...]) -> tuple[str, ...]:
        """Return the commands that a person would type for the same."""


class BackupState(StrEnum):
    """What is known of a backup."""

    TAKEN = "taken"
    VERIFIED = "verified"
    """Restored into a scratch server and compared."""
    FAILED = "failed"
    """Restored or compared, and found wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """One backup of the database."""

    name: str
    """`backup_20260209_143000`."""
    place: str
    """Where its file is: `/var/backups/unioneyes_20260209.dump.zst`, `s3://BUCKET/PREFIX/unioneyes_20260209.dump.zst.age`."""
    taken_at: datetime
    took: timedelta
    bytes: int
    sha256: str
    tables: int
    rows: int
    schema: str | None
    """Tag of the newest migration in it."""
    state: BackupState
    verified_in: timedelta | None = None
    """How long its restore and the comparison took; None while it is unproven."""
    verified_at: datetime | None = None
    wrong: str | None = None
    """What was found where it failed."""
    database: str = ""
    """What was backed up."""
    written_by: str = ""
    """`pg_dump (PostgreSQL) 18.4`: restore with this version or a newer one."""
    recipients: tuple[str, ...] = ()
    """Fingerprints of the public keys that it is encrypted to; not encrypted when empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long backups are kept. Source: Backup and Restore, "Retention: 30 days"."""

    keep: timedelta = timedelta(days=30)
    """How old a backup gets before it may be pruned."""
    at_least: int = 7
    """How many verified ones are kept, however old they are; one always is."""
    keep_failed: timedelta = timedelta(days=3)
    """How old one gets that was found wrong, for whoever looks into it."""


KEPT_AS_DOCUMENTED = Retention()


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupVerified:
    """The backup was restored into a scratch server, and every table there equals the source in the dump's own snapshot."""

    name: str
    tables: int
    rows: int
    took: timedelta


_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


def require_backup_name(name: str) -> None:
    """Return where a backup may be called so: it becomes the name of files. Raises: BadInput."""
    if not _NAME.fullmatch(name):
        raise BadInput(what=f"{name[:100]!r} is no name for a backup", remedy="use letters, digits, _ . and -, as in unioneyes_20260209")


Told = Callable[[str], None]
"""Takes what is to be said of work that lasts: `12 of 14 tables, 340.0 MiB`."""


def unheard(line: str) -> None:
    """Say nothing."""
    del line


class Backups(Protocol):
    """Backups, which count only when they were restored and compared."""

    @property
    def place(self) -> str:
        """Where new ones are kept, for people: `/var/backups`, `s3://BUCKET/PREFIX`."""

    def create(self, name: str, *, meanwhile: Told = unheard) -> Backup:
        """A backup called `name` exists, with a self-describing manifest beside it. Made already: returned as it is.

        Raises: BackupFailed (what was written of it is removed), DatabaseUnavailable, StoreUnavailable.
        """

    def describe_create(self, name: str) -> tuple[str, ...]:
        """Return the commands that a person would type for the same."""

    def verify(self, name: str, *, meanwhile: Told = unheard) -> BackupVerified:
        """The backup is proven. Its restored copy is left running on a scratch server, see `scratch_url`.

        Raises: BackupUnproven (with what differs), NotProvable (nobody looked, and nothing changed), NoSuchBackup, StoreUnavailable.
        """

    def describe_verify(self, name: str) -> tuple[str, ...]:
        """Return the commands that a person would type for the same. Raises: NotProvable."""

    def require_provable(self) -> None:
        """Return where a backup that is made now could be proven here. Raises: NotProvable."""

    def scratch_url(self, name: str) -> SecretStr:
        """Return the address of the restored copy, as the role that owns the schema; restores it when it is not running."""

    def scratch_service_url(self, name: str) -> SecretStr:
        """Return the address of the restored copy, as the service's own role."""

    def discard_scratch(self, name: str) -> None:
        """The restored copy is gone; the backup stays."""

    def all(self) -> tuple[Backup, ...]:
        """Return every backup, newest first. Raises: StoreUnavailable."""

    def room(self) -> Room:
        """Return how much room the backups' place has, for a dump of the database. Raises: DatabaseUnavailable, StoreUnavailable."""

    def delete(self, name: str) -> None:
        """The backup is gone, its manifest first: what is left of it in between is none. Gone already: nothing changes. Raises: StoreUnavailable."""

    def describe_delete(self, name: str) -> tuple[str, ...]:
        """Return the commands that a person would type for the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRows:
    """How many rows a table has, and had."""

    table: str
    now: int
    backup: int
    """In the backup."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableDifference:
    """Rows of a table that stand on one side only. A row that was changed stands on both sides, differently."""

    table: str
    only_live: int
    """Written since the backup: in use no more once the restored database is live."""
    only_backup: int
    """Changed or deleted since the backup: they come back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What the live database holds and the restored one does not, exactly."""

    tables: tuple[TableDifference, ...]
    """Those that differ, by name."""
    columns: tuple[str, ...]
    """Columns that the live database alone has; rows were compared without them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """Whether a second copy of the database fits on a disk."""

    needed: int
    """Bytes of the live database: a dump of it, and a second copy, may have fewer."""
    free: int | None
    """Bytes; None where nobody can know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoredBeside:
    """The backup stands in a database of its own on the live server, and equals its manifest."""

    database: str
    tables: int
    rows: int
    took: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Swapped:
    """The restored database has the live one's name."""

    kept: str
    """Name of the database that was live before, with everything in it."""
    took: timedelta


class Restores(Protocol):
    """A backup takes the live database's place. Every change is observed first, and safe to repeat; `beside` and `kept` are names of databases."""

    def room(self) -> Room:
        """Return whether a restored copy fits. Raises: DatabaseUnavailable."""

    def written_since(self, backup: str) -> tuple[TableRows, ...]:
        """Return the rows now and in the backup, per table that has another number of them. Raises: NoSuchBackup, DatabaseUnavailable."""

    def restore_beside(self, backup: str, *, beside: str) -> RestoredBeside:
        """`beside` holds the backup, equals its manifest, and has the live database's owner, grants and settings.

        Raises: BackupUnproven (never verified, or what was restored differs; `beside` is gone), NoSuchBackup, RestoreFailed, DatabaseUnavailable.
        """

    def restore_into(self, backup: str, *, database: str, meanwhile: Told = unheard) -> RestoredBeside:
        """`database`, which nobody had made before, holds the backup, as `restore_beside` says. What this made half is made anew.

        Raises: DatabaseExists (it is as it was), and what `restore_beside` raises.
        """

    def discard_into(self, backup: str, *, database: str) -> None:
        """`database` is gone, where a restore of this backup made it; anybody else's is left alone."""

    def require_new(self, *, database: str) -> None:
        """Return where there is no database of this name. Raises: DatabaseExists, DatabaseUnavailable."""

    def discard_beside(self, *, beside: str) -> None:
        """`beside` is gone."""

    def close(self, *, beside: str) -> None:
        """Nobody but the administrator is in the live database, and nobody else comes in. Raises: SessionsRemain, DatabaseUnavailable."""

    def reopen(self, *, beside: str) -> None:
        """The live database lets everybody in as before."""

    def difference(self, *, beside: str) -> Difference:
        """Return the rows that stand on one side only. Exact while the live database is closed; memory stays flat. Raises: DatabaseUnavailable."""

    def swap(self, *, beside: str, kept: str) -> Swapped:
        """`beside` has the live database's name and lets everybody in; what was live is called `kept`. Raises: SessionsRemain, RestoreFailed."""

    def swap_back(self, *, beside: str, kept: str) -> None:
        """What was live is live again, and the restored one is called `beside`. Raises: SessionsRemain."""

    def describe_restore_beside(self, backup: str, *, beside: str) -> tuple[str, ...]:
        """Return the commands that a person would type for the same."""

    def describe_close(self) -> tuple[str, ...]:
        """Return the commands that a person would type for the same."""

    def describe_swap(self, *, beside: str, kept: str) -> tuple[str, ...]:
        """Return the commands that a person would type for the same."""

    def describe_drop(self, database: str) -> str:
        """Return what a person types when a kept database is needed no more."""


class DatabaseUnavailable(Unavailable):
    """PostgreSQL does not answer, or ended the connection."""


class TooOld(Refused):
    """PostgreSQL there is older than any that is taken."""


class FolderUnreadable(Refused):
    """The migrations' folder can't be read as a Drizzle folder."""


class MigrationDrift(Refused):
    """The ledger and the folder contradict each other."""


class MigrationFailed(Problem):
    """A statement failed; the transaction was rolled back and nothing was changed."""


class LockNotObtained(Problem):
    """A long transaction holds a lock that the migration needs; it gave up, and nothing was changed."""


class ReplicaBehind(Problem):
    """A replica stays too far behind for a backfill to go on; what was done stands, and the next attempt goes on there."""


class NoRollback(Refused):
    """A migration has no rollback file."""


class BackupFailed(Problem):
    """The backup could not be made."""


class BackupUnproven(Problem):
    """The backup could not be restored, or what was restored differs."""


class NotProvable(Refused):
    """The backup may be good, and nobody here can know: it is encrypted, or the scratch server lacks an extension, or this machine the room."""


class RestoreFailed(Problem):
    """The backup could not be restored beside the live database, which is as it was."""


class DatabaseExists(Refused):
    """There is a database of this name, and it is left alone."""


class SessionsRemain(Problem):
    """Sessions in the database could not be ended, so it can't change its name."""


class NoSuchBackup(Refused):
    """No backup has this name."""
