"""What migrating asks for, plans, and comes to; and how the schema stands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from unioneyes.operations.database.migrating_lint import require_accepted
from unioneyes.ports.checklist import Gate
from unioneyes.ports.database import LedgerRow, LintFinding, Loss, Migration, Risk
from unioneyes.ports.traffic import Colour
from unioneyes.runbook.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrateRequest:
    """Apply a release's migrations, without deploying it (`database.migrate`)."""

    version: str
    """The release whose migrations are applied."""
    backup: bool = False
    """Take a backup first, and prove it: restored, and compared."""
    accept: tuple[str, ...] = ()
    """A rule of the lint that these migrations may break, such as changing-column-type; may be given more than once."""
    reason: str | None = None
    """Why, for the journal and the audit log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A release that gets members' requests meanwhile."""

    colour: Colour
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MigratePlan(Plan):
    """Everything that migrating will do."""

    version: str
    migrations: tuple[Migration, ...]
    """What the ledger lacks, in order, each with its text; empty where it lacks nothing."""
    risks: tuple[Risk, ...]
    """What each statement does to whoever is served meanwhile."""
    findings: tuple[LintFinding, ...]
    """What the lint found; of those that block, only the ones that were accepted let the run begin."""
    accepted: tuple[str, ...]
    """Rules that may be broken."""
    gates: tuple[Gate, ...]
    """Whether the lint lets the run begin; empty where there is nothing to apply."""
    losses: tuple[Loss, ...]
    """What taking the migrations back would destroy of what members write until then; not counted, because nothing of it is there yet."""
    backup: bool
    serving: tuple[Served, ...]
    """Who gets members' requests, and must live with these migrations."""
    reason: str | None

    def require_open(self) -> None:
        """Return when no finding keeps the run from beginning. Raises: LintBlocks."""
        require_accepted(self.findings, self.accepted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Migrated:
    """The release's migrations stand in the schema and in the ledger."""

    version: str
    migrations: tuple[str, ...]
    """Tags of those that were applied, in order; empty where all stood there already."""
    backup: str | None
    """Name of the proven backup that was taken just before; None where none was."""
    took: timedelta
    """Of the migrations themselves."""
    waited_for_locks: timedelta
    ledger: tuple[LedgerRow, ...]
    """The last rows, newest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedBy:
    """Which run applied a migration, as far as runs are remembered."""

    run: str
    by: str
    """Who asked for it."""
    at: datetime
    """When the run ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationLine:
    """One row of the ledger, with what is known of how it came there."""

    row: LedgerRow
    applied: AppliedBy | None
    """None where no run that is remembered applied it: Drizzle itself did, or a person, or a run that was forgotten."""
    ahead: bool
    """Whether it is newer than what the release knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationsView:
    """How the schema stands to what a release wants of it."""

    version: str
    serving: tuple[str, ...]
    """Versions that get members' requests."""
    lines: tuple[MigrationLine, ...]
    """Every row of the ledger, newest first."""
    pending: tuple[str, ...]
    """Tags of what the ledger lacks of the release's migrations, in order."""
    drift: tuple[str, ...]
    """A sentence for each contradiction between the ledger and the release's migrations."""
    unfinished: str | None
    """Tag of a migration that was begun outside of a transaction, and not ended."""
