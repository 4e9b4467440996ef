"""Option C, the backup: restored beside the live database, compared, and swapped with it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from unioneyes.kernel.clock import rfc3339
from unioneyes.kernel.problems import Problem, Refused
from unioneyes.operations.rollback.afterwards import after, planned_afterwards
from unioneyes.operations.rollback.model import Account, Restored, RestorePlan, RestoreRequest, ServesAgain
from unioneyes.operations.rollback.reasons import spelled
from unioneyes.operations.rollback.restore_steps import (
    check_restorable,
    close_database,
    compare_rows,
    erase_again,
    keep_members_out,
    require_room,
    restore_beside,
    swap_databases,
    verify_restored,
)
from unioneyes.operations.rollback.rules import beyond, serving
from unioneyes.operations.rollback.steps import StillUnhealthy, end_maintenance, note_order, verify_serving
from unioneyes.ports.database import Backup, BackupState, Difference, NoSuchBackup
from unioneyes.ports.environment import Environment
from unioneyes.runbook.definition import runbook
from unioneyes.runbook.plan import Reading
from unioneyes.runbook.steps import current_run, settle

RETRY_AFTER = timedelta(seconds=30)
"""What members are told while the databases change names."""
_STAMP = "$(date -u +%Y%m%d_%H%M%S)"
"""The run puts in the time of its order, so that two plans of the same restore are equal."""


class NeedsNewerSchema(Refused):
    """A release that gets members' requests needs a newer schema than the backup holds."""


class UnprovenBackup(Refused):
    """Only a backup that was restored and compared takes the live database's place."""


@runbook(name="rollback.restore", chapter="2. Rollback Procedures, option C, restore from backup", promise=timedelta(minutes=5), takes_over=True)
class Restore:
    """Put a backup in the live database's place."""

    def plan(self, env: Environment, request: RestoreRequest) -> RestorePlan:
        """Find the backup, and what it would cost. Raises: NotOffered, NoSuchBackup, UnprovenBackup, NeedsNewerSchema, NoRoom; nothing was changed."""
        env.traffic.require_means(maintenance=True)
        backup = chosen(env.backups.all(), request.backup)
        there = serving(env.traffic.view().weights, env.replicas.all())
        for one in there:
            needed = beyond(tuple(migration.tag for migration in env.migrations.folder(one.version)), backup.schema)
            if needed:
                raise NeedsNewerSchema(
                    what=f"{one.version} gets members' requests and needs {needed}; {backup.name} ends at {backup.schema or 'an empty schema'}",
                    remedy="go back to the previous release first: ue rollback traffic, or ue rollback release where it is not warm any more",
                )
        room = env.restores.room()
        require_room(room)
        since = env.restores.written_since(backup.name)
        plan = RestorePlan(
            summary=f"restore {backup.name} ({rfc3339(backup.taken_at)}) over {env.facts.database}: what was written since is kept aside, out of use",
            steps=(),
            readings=(*(Reading(name=table.table, value=f"{table.now:,} rows now, {table.backup:,} in the backup") for table in since), _erased(env)),
            confirm=env.facts.database,
            backup=backup.name,
            taken_at=backup.taken_at,
            schema=backup.schema,
            database=env.facts.database,
            serving=there,
            reason=spelled(request.reason),
            erases_again=env.erasures.kept,
        )
        return _with_steps(env, plan)

    def run(self, env: Environment, plan: RestorePlan) -> Restored:
        """Restore beside, keep members out for the swap alone, and let them in only when the release works on it."""
        run = current_run.get()
        ordered = note_order()
        beside, kept = _names(plan.database, ordered.at)
        check_restorable(env.restores, env.traffic, env.replicas, wanted=plan.serving)
        restore_beside(env.restores, backup=plan.backup, beside=beside)
        maintenance = keep_members_out(env.traffic, wanted=plan.serving, retry_after=RETRY_AFTER)
        close_database(env.restores, beside=beside)
        erased = erase_again(env.erasures, beside=beside, since=plan.taken_at) if plan.erases_again else None
        difference = compare_rows(env.restores, beside=beside)
        swap_databases(env.restores, beside=beside, kept=kept)
        verified = verify_restored(env.service, wanted=plan.serving)
        for taken in (restore_beside, keep_members_out, close_database, swap_databases):
            settle(taken)  # members write there from here on: taking it back would lose what they write
        end_maintenance(env.traffic)
        healthy = _served(env, plan) if plan.serving else verified
        at = healthy.at if isinstance(healthy, ServesAgain) else None
        account = _account(plan, run.run_id, run.took_over_from, kept, _lost(difference, kept))
        done = after(env, account, ordered=ordered.at, healthy=at)
        if isinstance(healthy, Problem):
            raise healthy
        return Restored(
            backup=plan.backup,
            taken_at=plan.taken_at,
            database=plan.database,
            kept=kept,
            difference=difference,
            erased_again=erased.persons if erased else None,
            drop=env.restores.describe_drop(kept),
            closed_for=healthy.at - maintenance.since,
            healthy_in=healthy.at - ordered.at,
            afterwards=done,
        )


def chosen(backups: tuple[Backup, ...], name: str | None) -> Backup:
    """Return the backup of that name, or the newest verified one. Raises: NoSuchBackup, UnprovenBackup."""
    proven = [backup for backup in backups if backup.state is BackupState.VERIFIED]
    newest = f"--backup {proven[0].name} is the newest that is verified" if proven else "ue rollback plan shows the other ways back"
    if name is None:
        if not proven:
            raise NoSuchBackup(what="there is no verified backup; nothing was changed", remedy=newest)
        return proven[0]
    found = next((backup for backup in backups if backup.name == name), None)
    if found is None:
        raise NoSuchBackup(what=f"there is no backup called {name!r}; nothing was changed", remedy=newest)
    if found.state is not BackupState.VERIFIED:
        raise UnprovenBackup(what=f"{name} is {found.state.value}, not verified: nobody knows whether it can be restored; nothing was changed", remedy=newest)
    return found


def _erased(env: Environment) -> Reading:
    said = "in the restored database too, before it serves" if env.erasures.kept else "nobody keeps who: they come back ([privacy] erase_again)"
    return Reading(name="erased since the backup", value=said)


def _served(env: Environment, plan: RestorePlan) -> ServesAgain | Problem:
    """Return whether members are served; when not, they are told all the more."""
    try:
        return verify_serving(env.service, version=plan.serving[0].version)
    except StillUnhealthy as problem:
        return problem


def _names(database: str, at: datetime) -> tuple[str, str]:
    """Return the names of the restored database and of the one that is kept."""
    return _named(database, f"{at:%Y%m%d_%H%M%S}")


def _named(database: str, stamp: str) -> tuple[str, str]:
    return f"{database}_restored_{stamp}", f"{database}_before_restore_{stamp}"


def _with_steps(env: Environment, plan: RestorePlan) -> RestorePlan:
    beside, kept = _named(plan.database, _STAMP)
    smoke = tuple(command for one in plan.serving for command in env.service.describe_smoke(one.colour))
    on, off = env.traffic.describe_maintenance(on=True), env.traffic.describe_maintenance(on=False)
    steps = (
        note_order.planned(),
        check_restorable.planned(),
        restore_beside.planned(commands=env.restores.describe_restore_beside(plan.backup, beside=beside), undo=(env.restores.describe_drop(beside),)),
        keep_members_out.planned(commands=on, undo=off),
        close_database.planned(commands=env.restores.describe_close()),
        *((erase_again.planned(commands=env.erasures.describe_erase_again(beside, since=plan.taken_at)),) if plan.erases_again else ()),
        compare_rows.planned(),
        swap_databases.planned(commands=env.restores.describe_swap(beside=beside, kept=kept), undo=env.restores.describe_swap(beside=kept, kept=beside)),
        verify_restored.planned(commands=smoke),
        end_maintenance.planned(commands=off),
        *((verify_serving.planned(commands=(f"curl {env.service.url()}/api/health",)),) if plan.serving else ()),
        *planned_afterwards(env, _account(plan, "RUN", None, kept, ())),
    )
    return replace(plan, steps=steps)


def _account(plan: RestorePlan, run_id: str, deployment: str | None, kept: str, lost: tuple[str, ...]) -> Account:
    return Account(
        run_id=run_id,
        deployment=deployment,
        bad=f"the data of {plan.database}",
        good=f"{plan.database} as of {plan.taken_at:%Y-%m-%d %H:%M} UTC ({plan.backup})",
        reason=plan.reason,
        impact=f"members were told to come back in a moment while the database was replaced; the one before is kept as {kept}",
        lost=lost,
    )


def _lost(difference: Difference, kept: str) -> tuple[str, ...]:
    rows = (f"{table.table}: {table.only_live:,} rows are in {kept} only, {table.only_backup:,} came back" for table in difference.tables)
    return (*rows, *(f"{column}: its values are in {kept} only" for column in difference.columns))
