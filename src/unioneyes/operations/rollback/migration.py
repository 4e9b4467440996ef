"""Option C, the down migration: the newest migrations are taken back by their rollback files."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from unioneyes.kernel.problems import BadInput, Refused
from unioneyes.operations.rollback.afterwards import after, planned_afterwards
from unioneyes.operations.rollback.migration_steps import (
    back_up_before,
    check_schema,
    count_losses,
    discard_copy,
    prove_backup,
    rehearse_way_back,
    take_back,
    verify_on_older_schema,
)
from unioneyes.operations.rollback.model import Account, MigrationsTakenBack, RollBackMigrationPlan, RollBackMigrationRequest
from unioneyes.operations.rollback.reasons import spelled
from unioneyes.operations.rollback.rules import needing, newest_after, serving
from unioneyes.operations.rollback.steps import end_maintenance, note_order
from unioneyes.ports.database import Loss, Migration, NoRollback, contents
from unioneyes.ports.environment import Environment
from unioneyes.runbook.definition import runbook
from unioneyes.runbook.plan import Effect, Reading
from unioneyes.runbook.steps import current_run

BACKUP_NAME = "before_rollback_$(date -u +%Y%m%d_%H%M%S)"
"""The run puts in the time of its order, so that two plans of the same rollback are equal."""


class NothingToTakeBack(Refused):
    """There is no migration that could be taken back."""


class StillNeeded(Refused):
    """A release that gets members' requests needs the migration that would go."""


class UnknownMigration(BadInput):
    """The ledger holds no migration of this name."""


@runbook(name="rollback.migration", chapter="2. Rollback Procedures, option C, down migration", promise=timedelta(minutes=5), takes_over=True)
class RollBackMigration:
    """Take the newest migrations back."""

    def plan(self, env: Environment, request: RollBackMigrationRequest) -> RollBackMigrationPlan:
        """Find what would go, and who stands on it. Raises: NothingToTakeBack, UnknownMigration, StillNeeded, NoRollback, MigrationDrift."""
        applied = env.migrations.applied()
        going = _going(applied, request.to)
        there = serving(env.traffic.view().weights, env.replicas.all())
        carried = {one.version: frozenset(migration.tag for migration in env.migrations.folder(one.version)) for one in there}
        needed = needing(tuple(migration.tag for migration in going), carried)
        if needed:
            raise StillNeeded(
                what=f"{needed.version} gets members' requests and needs {needed.tag}; nothing was changed",
                remedy="go back to the previous release first: ue rollback traffic, or ue rollback release where it is not warm any more",
            )
        for migration in going:
            if migration.rollback_sql is None:
                raise NoRollback(
                    what=f"{migration.tag} has no rollback file; nothing was changed", remedy="ue rollback restore, with the backup taken before it"
                )
        tags = tuple(migration.tag for migration in going)
        stays = applied[-len(going) - 1].tag if len(applied) > len(going) else None
        losses = env.migrations.losses(going, counted=False)
        plan = RollBackMigrationPlan(
            summary=f"take {', '.join(reversed(tags))} back: the schema ends at {stays or 'nothing'}{_lost(losses)}",
            steps=(),
            readings=tuple(Reading(name=loss.what, value=_held(loss)) for loss in env.migrations.losses(going, counted=True)),
            confirm=env.facts.database if losses else None,
            tags=tags,
            stays=stays,
            migrations=going,
            content=contents(going),
            serving=there,
            losses=losses,
            reason=spelled(request.reason),
        )
        return _with_steps(env, plan)

    def run(self, env: Environment, plan: RollBackMigrationPlan) -> MigrationsTakenBack:
        """Back up, try it on the restored copy, and then do it."""
        run = current_run.get()
        ordered = note_order()
        check_schema(env.migrations, env.traffic, env.replicas, tags=plan.tags, wanted=plan.serving)
        backup = f"before_rollback_{ordered.at:%Y%m%d_%H%M%S}"
        back_up_before(env.backups, name=backup)
        prove_backup(env.backups, name=backup)
        rehearse_way_back(env.migrations, env.backups, env.replicas, env.service, backup=backup, going=plan.migrations, losses=plan.losses, wanted=plan.serving)
        discard_copy(env.backups, name=backup)
        losses = count_losses(env.migrations, going=plan.migrations)
        taken_back = take_back(env.migrations, going=plan.migrations)
        healthy = verify_on_older_schema(env.service, wanted=plan.serving)
        end_maintenance(env.traffic)
        done = after(env, _account(plan, run.run_id, run.took_over_from, losses, backup), ordered=ordered.at, healthy=healthy.at)
        return MigrationsTakenBack(
            tags=tuple(reversed(plan.tags)),
            stays=plan.stays,
            losses=losses,
            backup=backup,
            ledger=taken_back.ledger,
            healthy_in=healthy.at - ordered.at,
            afterwards=done,
        )


def _going(applied: tuple[Migration, ...], to: str | None) -> tuple[Migration, ...]:
    """Return the migrations that go, oldest first. Raises: NothingToTakeBack, UnknownMigration."""
    if not applied:
        raise NothingToTakeBack(what="the ledger holds no migration; nothing was changed", remedy="ue rollback plan shows the ways back")
    if to is not None and to not in {migration.tag for migration in applied}:
        raise UnknownMigration(what=f"the ledger holds no {to}", remedy=f"one of: {', '.join(migration.tag for migration in applied)}")
    going = newest_after(applied, to)
    if not going:
        raise NothingToTakeBack(what=f"{to} is the newest migration already; nothing was changed", remedy="name an older one with --to")
    return going


def _with_steps(env: Environment, plan: RollBackMigrationPlan) -> RollBackMigrationPlan:
    back, forward = env.migrations.describe_roll_back(plan.migrations), env.migrations.describe_apply(plan.migrations)
    effect = Effect.DESTROY if plan.losses else Effect.CHANGE
    smoke = tuple(command for one in plan.serving for command in env.service.describe_smoke(one.colour))
    steps = (
        note_order.planned(),
        check_schema.planned(),
        back_up_before.planned(commands=env.backups.describe_create(BACKUP_NAME)),
        prove_backup.planned(commands=env.backups.describe_verify(BACKUP_NAME)),
        rehearse_way_back.planned(commands=back),
        discard_copy.planned(),
        count_losses.planned(),
        replace(take_back.planned(commands=back, undo=forward), effect=effect),
        verify_on_older_schema.planned(commands=smoke),
        end_maintenance.planned(commands=env.traffic.describe_maintenance(on=False)),
        *planned_afterwards(env, _account(plan, "RUN", None, plan.losses, BACKUP_NAME)),
    )
    return replace(plan, steps=steps)


def _account(plan: RollBackMigrationPlan, run_id: str, deployment: str | None, losses: tuple[Loss, ...], backup: str) -> Account:
    served = " and ".join(one.version for one in plan.serving) or "nothing"
    return Account(
        run_id=run_id,
        deployment=deployment,
        bad=", ".join(reversed(plan.tags)),
        good=f"{served} on the schema {plan.stays or 'nothing'}",
        reason=plan.reason,
        impact=f"members were served by {served} throughout",
        lost=tuple(f"{loss.what}: {_held(loss)}; kept in the backup {backup}" for loss in losses),
    )


def _lost(losses: tuple[Loss, ...]) -> str:
    return f"; lost is what members wrote in {', '.join(loss.what for loss in losses)}" if losses else ""


def _held(loss: Loss) -> str:
    return f"{loss.rows:,} rows hold a value" if loss.rows is not None else "nobody can count what holds a value"
