"""Which ways back are open now, as probed, not as guessed; what each takes, as measured; and what it costs."""

from __future__ import annotations

from datetime import timedelta

from unioneyes.kernel.problems import Problem
from unioneyes.operations.rollback.migration import RollBackMigration
from unioneyes.operations.rollback.model import (
    NOTHING_LOST,
    Measured,
    RestoreRequest,
    RollBackMigrationRequest,
    RollbackOption,
    RollBackReleaseRequest,
)
from unioneyes.operations.rollback.reasons import Trigger
from unioneyes.operations.rollback.release import RollBackRelease
from unioneyes.operations.rollback.restore import Restore
from unioneyes.operations.rollback.rolling import RollBackRolling
from unioneyes.operations.rollback.rules import NoWay, propose, ranked, way_back
from unioneyes.ports.database import BackupState
from unioneyes.ports.environment import Environment
from unioneyes.ports.runs import RollBackRollingRequest
from unioneyes.runbook.plan import Reading

_UNSAID = '"..."'


def rollback_options(env: Environment, measured: Measured, reason: str | None = None) -> tuple[RollbackOption, ...]:
    """Return the options of the document, best first, with what speaks for and against each; one proposed, where `reason` is one of the triggers."""
    said = _UNSAID if reason is None else reason if reason in set(Trigger) else f'"{reason}"'
    migration = _migration(env, measured, said)
    found = ranked((_traffic(env, said), _rolling(env, measured, said), _release(env, measured, said), migration, _restore(env, said)))
    if reason not in set(Trigger):
        return found
    # One that nobody who is served needs came with a release that is gone already.
    return propose(found, Trigger(reason), migrated=measured.migrated or migration.possible)


def _traffic(env: Environment, said: str) -> RollbackOption:
    option = _Option("A", "rollback.traffic", "Blue-green: send the traffic back", f"ue rollback traffic --reason {said}")
    found = way_back(env.traffic.view().weights, env.replicas.all(), env.replicas.revisions())
    if isinstance(found, NoWay):
        return option(possible=False, why=found.why)
    try:
        routes, probe = env.traffic.rehearse_shift(), env.service.probe(found.colour)
    except Problem as problem:
        return option(possible=False, why=problem.what)
    if not probe.ok:
        return option(possible=False, why=f"{found.colour} is warm, but its last probe failed ({probe.status or 'no answer'})")
    why = f"{found.version} is warm on {found.colour}: {len(found.replicas)} replicas ready"
    return option(possible=True, why=why, takes=routes + probe.took)


def _release(env: Environment, measured: Measured, said: str) -> RollbackOption:
    option = _Option("B", "rollback.release", "Previous release: start it again", f"ue rollback release --reason {said}")
    try:
        plan = RollBackRelease().plan(env, RollBackReleaseRequest(reason=said))
        takes = measured.start + env.traffic.rehearse_shift() if measured.start else None
    except Problem as problem:
        return option(possible=False, why=problem.what)
    return option(possible=True, why=f"revision {plan.revision}, {plan.version}, can be started on {plan.colour}", takes=takes)


def _rolling(env: Environment, measured: Measured, said: str) -> RollbackOption:
    option = _Option("B", "rollback.rolling", "Previous release: put its replicas back, one by one", f"ue rollback rolling --reason {said}")
    try:
        plan = RollBackRolling().plan(env, RollBackRollingRequest(reason=said))
    except Problem as problem:
        return option(possible=False, why=problem.what)
    why = f"revision {plan.revision}, {plan.version}, replica by replica in the place of {plan.away_from} on {plan.colour}"
    return option(possible=True, why=why, takes=measured.roll)


def _migration(env: Environment, measured: Measured, said: str) -> RollbackOption:
    command = f"ue rollback migration --reason {said} --confirm {env.facts.database}"
    option = _Option("C", "rollback.migration", "Down migration: take the newest back", command)
    try:
        plan = RollBackMigration().plan(env, RollBackMigrationRequest(reason=said))
        backup = next((backup for backup in env.backups.all() if backup.verified_in), None)
    except Problem as problem:
        return option(possible=False, why=problem.what)
    takes = backup.took + backup.verified_in + (measured.rehearsal or timedelta(0)) if backup and backup.verified_in else None
    lost = "; ".join(_held(reading) for reading in plan.readings) or NOTHING_LOST
    return option(possible=True, why=f"{', '.join(plan.tags)}: no release that is served needs it", takes=takes, data_lost=lost)


def _restore(env: Environment, said: str) -> RollbackOption:
    command = f"ue rollback restore --reason {said} --confirm {env.facts.database}"
    option = _Option("C", "rollback.restore", "Backup: restore it beside, and swap", command)
    try:
        plan = Restore().plan(env, RestoreRequest(reason=said))
        backup = next(backup for backup in env.backups.all() if backup.name == plan.backup and backup.state is BackupState.VERIFIED)
    except Problem as problem:
        return option(possible=False, why=problem.what, data_lost="what was written since the backup")
    lost = "; ".join(_held(reading) for reading in plan.readings)
    kept = f"out of use, kept aside: {lost}" if lost else "changes since the backup go out of use, kept aside"
    why = f"{plan.backup} of {plan.taken_at:%Y-%m-%d %H:%M} UTC is verified"
    return option(possible=True, why=why, takes=backup.verified_in, data_lost=kept)


class _Option:
    """A way back, of which it is still to be said whether it is open."""

    def __init__(self, option: str, runbook: str, title: str, command: str) -> None:
        self._option, self._runbook, self._title, self._command = option, runbook, title, command

    def __call__(self, *, possible: bool, why: str, takes: timedelta | None = None, data_lost: str = NOTHING_LOST) -> RollbackOption:
        return RollbackOption(
            option=self._option,
            runbook=self._runbook,
            title=self._title,
            possible=possible,
            why=why,
            takes=takes,
            data_lost=data_lost,
            command=self._command,
        )


def _held(reading: Reading) -> str:
    return f"{reading.name}: {reading.value}"
