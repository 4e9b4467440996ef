"""What a rollback plans, and which options there are. Its request and its result stand in `ports/runs.py`, because a deployment starts it by name."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from unioneyes.ports.database import Difference, LedgerRow, Loss, Migration
from unioneyes.ports.traffic import Colour
from unioneyes.runbook.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class RollBackPlan(Plan):
    """Everything that a rollback of the traffic will do."""

    back_to: Colour
    version: str
    """The version that the members get back."""
    away_from: str
    """The version that they leave."""
    reason: str
    deployment: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RollBackMigrationRequest:
    """Take the newest migrations back by their rollback files (`rollback.migration`)."""

    reason: str
    """Why, for the incident report and the announcement: data-corruption, vulnerability, feature-broken, data-integrity, or your own words."""
    to: str | None = None
    """Tag of the newest migration that stays; one step back when not given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """A release that gets members' requests."""

    colour: Colour
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RollBackMigrationPlan(Plan):
    """Everything that taking migrations back will do."""

    tags: tuple[str, ...]
    """Of the migrations that go, oldest first."""
    stays: str | None
    """Tag of the newest migration that stays; None when none does."""
    migrations: tuple[Migration, ...]
    """The same, each with the text that takes it back, and that applies it again, should it come to that."""
    serving: tuple[Serving, ...]
    """Who gets members' requests, and must live without these migrations."""
    losses: tuple[Loss, ...]
    """What is destroyed; not counted, because members go on writing."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationsTakenBack:
    """The schema is what it was before the migrations."""

    tags: tuple[str, ...]
    """Taken back, newest first."""
    stays: str | None
    losses: tuple[Loss, ...]
    """What was destroyed, counted just before."""
    backup: str
    """Name of the verified backup that was taken just before: it holds what was destroyed."""
    ledger: tuple[LedgerRow, ...]
    """The last five rows, newest first. Source: Option C, "Verify rollback"."""
    healthy_in: timedelta
    """From the order to the serving release's passed smoke tests on the older schema."""
    afterwards: Afterwards


@dataclass(frozen=True, slots=True, kw_only=True)
class RollBackReleaseRequest:
    """Start the previous release again, with its own configuration, and send the members there (`rollback.release`)."""

    reason: str
    """Why, for the incident report and the announcement: data-corruption, vulnerability, feature-broken, data-integrity, or your own words."""
    to: int | None = None
    """Number of the revision to go back to; the one before that was not bad, when not given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RollBackReleasePlan(Plan):
    """Everything that going back to a revision will do."""

    revision: int
    version: str
    """The version that the members get back."""
    replicas: int
    configuration: dict[str, str]
    """What it served with then; the environment may say something else now."""
    colour: Colour
    """Where it will stand."""
    away_from: str
    """The version that they leave."""
    bad_since: datetime | None
    """When members first reached that one; None when unknown."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseRolledBack:
    """The members are served by an earlier revision again."""

    revision: int
    version: str
    configuration: dict[str, str]
    colour: Colour
    away_from: str
    bad_since: datetime | None
    deployment: str | None
    shifted_in: timedelta
    """How long the data plane took to confirm the switch."""
    healthy_in: timedelta
    """From the order to a healthy answer of the earlier revision, as members reach it."""
    afterwards: Afterwards


@dataclass(frozen=True, slots=True, kw_only=True)
class RollBackRollingPlan(Plan):
    """Everything that putting replicas back will do."""

    colour: Colour
    """Where members are served, and stay."""
    version: str
    """The version that they get back; a roll that is found under way goes back to what stood before it."""
    revision: int
    away_from: str
    """The version that they leave."""
    serving: str
    """A version that serves there now."""
    to: int | None
    """The revision that was asked for; None where none was."""
    reason: str
    deployment: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreRequest:
    """Put a backup in the live database's place (`rollback.restore`)."""

    reason: str
    """Why, for the incident report and the announcement: data-corruption, vulnerability, feature-broken, data-integrity, or your own words."""
    backup: str | None = None
    """Name of the backup; the newest verified one when not given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestorePlan(Plan):
    """Everything that a restore will do."""

    backup: str
    taken_at: datetime
    schema: str | None
    """Tag of the newest migration in the backup."""
    database: str
    serving: tuple[Serving, ...]
    """Who gets members' requests, and must live with the backup's schema."""
    reason: str
    erases_again: bool = False
    """Whether somebody keeps who was erased since the backup, and erases them again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """The backup is the live database."""

    backup: str
    taken_at: datetime
    database: str
    kept: str
    """Name of the database that was live before, with everything that was written since."""
    difference: Difference
    """What it holds and the restored one does not, counted while nobody wrote."""
    erased_again: int | None = None
    """How many persons were erased again who had been erased since the backup; None where nobody keeps who they are."""
    drop: str
    """What a person types when it is needed no more."""
    closed_for: timedelta
    """How long members were answered with 503."""
    healthy_in: timedelta
    """From the order to a healthy answer, as members reach it."""
    afterwards: Afterwards


@dataclass(frozen=True, slots=True, kw_only=True)
class Maintenance:
    """From when on members are answered with 503."""

    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What people are told of a rollback, whichever option it took."""

    run_id: str
    deployment: str | None
    """Run of the deployment that is taken back; None when none is known."""
    bad: str
    """What is gone: `1.2.0`, `0001_claim_deadlines`."""
    good: str
    """What stands instead."""
    reason: str
    impact: str
    """One line: what members noticed, and how they are served now."""
    lost: tuple[str, ...] = ()
    """What members wrote and have no more, a line each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Afterwards:
    """The post-rollback actions, done."""

    incident: str
    """Where the incident report stands."""
    post_mortem_due: datetime
    announced: str | None
    """The vendor's identifier of the announcement; None when it could not be sent."""
    not_announced: str | None
    """Why it could not be sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordered:
    """The moment from which a rollback's time counts."""

    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ServesAgain:
    """The previous release answers as members reach it."""

    at: datetime
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Whether the stakeholders were told; a chat that is down holds up no rollback."""

    reference: str | None
    """The vendor's identifier of the message; None when it could not be sent."""
    trouble: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackOption:
    """One way back, and whether it is open now."""

    option: str
    """`A`, `B` or `C`, as the document names them."""
    runbook: str
    """`rollback.traffic`: what carries it out."""
    title: str
    possible: bool
    why: str
    """Why it is possible, or why not."""
    takes: timedelta | None
    """As probed just now, or as measured the last time; None when it was not, or can't be."""
    data_lost: str
    """What members would lose; `none` where they lose nothing."""
    command: str
    """What a person types for it."""
    proposed: str | None = None
    """Why it is the one for the reason that was given; None for every other."""

    @property
    def loses(self) -> bool:
        """True when members lose something that they wrote."""
        return self.data_lost != NOTHING_LOST


NOTHING_LOST = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What earlier runs took, from their journals; None where no run shows it."""

    start: timedelta | None = None
    """Starting and smoke-testing the release that serves, in the deployment that brought it."""
    rehearsal: timedelta | None = None
    """Trying a migration and its way back on a restored copy, the last time."""
    roll: timedelta | None = None
    """Putting its replicas in the place of the ones before; None where they were not."""
    migrated: bool = False
    """True when the deployment that brought the release that serves also changed the schema."""
