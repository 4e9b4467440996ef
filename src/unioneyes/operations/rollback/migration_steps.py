"""The side effects of taking migrations back."""

from __future__ import annotations

from datetime import timedelta

from unioneyes.kernel.clock import now
from unioneyes.kernel.problems import Problem, Refused
from unioneyes.operations.rollback.model import ServesAgain, Serving
from unioneyes.operations.rollback.rules import failures, serving, unannounced
from unioneyes.ports.database import Backup, Backups, BackupVerified, Loss, Migration, Migrations, MigrationsApplied
from unioneyes.ports.replicas import Replicas
from unioneyes.ports.service import Service, SmokeReport
from unioneyes.ports.traffic import Traffic
from unioneyes.runbook.plan import Effect
from unioneyes.runbook.steps import progress, step

READY_WITHIN = timedelta(seconds=60)
SMOKE_WITHIN = timedelta(seconds=60)


class WorldChanged(Refused):
    """The world is not what the plan was made for; nothing was changed."""


class MoreIsLost(Problem):
    """The rollback file destroys more than its text says."""


class ReleaseNeedsMigration(Problem):
    """The release that serves does not work without the migrations."""


@step(effect=Effect.READ)
def check_schema(migrations: Migrations, traffic: Traffic, replicas: Replicas, *, tags: tuple[str, ...], wanted: tuple[Serving, ...]) -> None:
    """The newest migrations are those of the plan, and who serves is whom it was made for."""
    newest = tuple(migration.tag for migration in migrations.applied())[-len(tags) :]
    there = serving(traffic.view().weights, replicas.all())
    if newest != tags or there != wanted:
        served = ", ".join(f"{one.version} on {one.colour}" for one in there) or "nothing"
        raise WorldChanged(
            what=f"{served} serves on {newest[-1] if newest else 'an empty schema'}; the plan was made for something else", remedy="start the rollback anew"
        )


@step(effect=Effect.CHANGE, time_limit=timedelta(hours=6))
def back_up_before(backups: Backups, *, name: str) -> Backup:
    """A backup exists that holds what is about to be destroyed."""
    return backups.create(name)


@step(effect=Effect.CHANGE, time_limit=timedelta(minutes=5))
def discard_copy(backups: Backups, *, name: str) -> None:
    """The restored copy is gone; the backup stays."""
    backups.discard_scratch(name)


@step(effect=Effect.CHANGE, undo=discard_copy, time_limit=timedelta(hours=6))
def prove_backup(backups: Backups, *, name: str) -> BackupVerified:
    """The backup is proven: restored into a scratch server, and equal to the source in the dump's own snapshot."""
    return backups.verify(name)


@step(effect=Effect.CHANGE, time_limit=timedelta(minutes=2))
def end_rehearsal_of_way_back(
    migrations: Migrations,
    backups: Backups,
    replicas: Replicas,
    service: Service,
    *,
    backup: str,
    going: tuple[Migration, ...],
    losses: tuple[Loss, ...],
    wanted: tuple[Serving, ...],
) -> None:
    """No replica runs on the restored copy any more."""
    del migrations, backups, service, backup, going, losses, wanted
    replicas.stop_rehearsal()


@step(effect=Effect.CHANGE, undo=end_rehearsal_of_way_back, time_limit=timedelta(hours=2))
def rehearse_way_back(
    migrations: Migrations,
    backups: Backups,
    replicas: Replicas,
    service: Service,
    *,
    backup: str,
    going: tuple[Migration, ...],
    losses: tuple[Loss, ...],
    wanted: tuple[Serving, ...],
) -> MigrationsApplied:
    """On the restored copy, the rollback files take the migrations back, destroy nothing that was not announced, and who serves passes its smoke tests."""
    taken_back = migrations.roll_back(going, database_url=backups.scratch_url(backup))
    more = unannounced(taken_back.dropped, losses)
    if more:
        raise MoreIsLost(what=f"the rollback files also drop {', '.join(more)}, which their text does not say", remedy="write the rollback file in plain SQL")
    progress(f"{len(taken_back.tags)} migrations taken back on the restored copy")
    for version in dict.fromkeys(one.version for one in wanted):
        try:
            url = replicas.start_rehearsal(version=version, database_url=backups.scratch_service_url(backup), within=READY_WITHIN)
            report = service.smoke(url=url, within=SMOKE_WITHIN)
        finally:
            replicas.stop_rehearsal()
        _require(report, version)
        progress(f"{version} passed {len(report.checks)} smoke tests on the older schema")
    return taken_back


@step(effect=Effect.READ, time_limit=timedelta(minutes=10))
def count_losses(migrations: Migrations, *, going: tuple[Migration, ...]) -> tuple[Loss, ...]:
    """What is about to be destroyed is counted."""
    return migrations.losses(going, counted=True)


@step(effect=Effect.CHANGE, time_limit=timedelta(hours=6))
def apply_again(migrations: Migrations, *, going: tuple[Migration, ...]) -> MigrationsApplied:
    """The migrations stand again; what members had written there stands in the backup only."""
    return migrations.apply(going)


@step(effect=Effect.DESTROY, undo=apply_again, time_limit=timedelta(hours=1))
def take_back(migrations: Migrations, *, going: tuple[Migration, ...]) -> MigrationsApplied:
    """The migrations are taken back by their rollback files, in one transaction, and the ledger says so.

    Source: Rollback Steps, option C, "Or apply down migration".
    """
    return migrations.roll_back(going)


@step(effect=Effect.READ, time_limit=timedelta(minutes=5))
def verify_on_older_schema(service: Service, *, wanted: tuple[Serving, ...]) -> ServesAgain:
    """Who serves passes its smoke tests on the older schema.

    Source: option C, "Verify rollback".
    """
    for one in wanted:
        _require(service.smoke(via=one.colour, within=SMOKE_WITHIN), one.version)
    return ServesAgain(at=now(), version=", ".join(one.version for one in wanted))


def _require(report: SmokeReport, version: str) -> None:
    if not report.passed:
        raise ReleaseNeedsMigration(
            what=f"{version} fails on the older schema: {failures(report)}", remedy="go back to a release that lives with it first: ue rollback plan"
        )
