"""The only side effects of a deployment. Each step says what is true afterwards; its command comes from the adapter that does it."""

from __future__ import annotations

from datetime import datetime, timedelta

from unioneyes.kernel.clock import Deadline, Stopwatch, now
from unioneyes.kernel.problems import Problem, Refused, Unavailable
from unioneyes.kernel.status import RunStatus
from unioneyes.kernel.units import format_duration
from unioneyes.operations.deployment.checklist import refuse_if_blocked
from unioneyes.operations.deployment.comparison import share as share_of
from unioneyes.operations.deployment.evidence import evidence
from unioneyes.operations.deployment.model import (
    ALL,
    DeployPlan,
    Figures,
    Held,
    Receipt,
    Rehearsed,
    RollBack,
    RuleSeen,
    Started,
    Switched,
    Verdict,
    Verified,
    Watched,
    WatchTarget,
)
from unioneyes.operations.deployment.readiness import SILENT_FOR
from unioneyes.operations.deployment.receipt import receipt
from unioneyes.operations.deployment.verdict import FEWEST_ANSWERS, Watch
from unioneyes.operations.deployment.verification import health_check, log_check, schema_check, smoke_check, version_check
from unioneyes.operations.deployment.vigil import Vigil
from unioneyes.ports.checklist import Gate
from unioneyes.ports.database import Backup, Backups, BackupVerified, Migration, Migrations, MigrationsApplied
from unioneyes.ports.notifier import Notifier
from unioneyes.ports.releases import Releases
from unioneyes.ports.replicas import Replicas, ReplicasReady
from unioneyes.ports.service import Service, SmokeReport
from unioneyes.ports.traffic import Colour, Counters, Drained, Traffic, Weights
from unioneyes.runbook.codec import encode
from unioneyes.runbook.plan import Effect
from unioneyes.runbook.steps import ask, pause, progress, step, story
from unioneyes.runbook.views import Decision

SMOKE_WITHIN = timedelta(seconds=60)
DRAIN_WITHIN = timedelta(seconds=30)
LOOK_EVERY = timedelta(milliseconds=500)
LONGEST_BAKE = timedelta(days=2)
FOR_EVER = timedelta(days=3650)
"""Who is waited for may sleep, or be on holiday."""
EVIDENCE_EVERY = 10
"""Looks after which a line of progress tells the numbers behind the verdict too."""
TOLD_EVERY = timedelta(seconds=30)
"""How often a hold says how it stands: often enough to be believed, and seldom enough for a night."""
MORE_DATA_WITHIN = timedelta(seconds=30)
"""How much longer than asked a watch may go on while it has too little to say anything."""


class WorldDrifted(Refused):
    """The world is not what the plan was made for; nothing was changed."""


class ReleaseChanged(Problem):
    """What would be started is not the release that was planned."""


class SmokeFailed(Problem):
    """A smoke test failed; no member was sent to that colour."""


class PreviousReleaseBroken(Problem):
    """The previous release can't live with the new schema, so there would be no way back."""


@step(effect=Effect.READ)
def check_gates(*, gates: tuple[Gate, ...]) -> None:
    """Every line of the pre-deployment checklist is open, or waived by the policy.

    Source: Pre-Deployment Checklist.
    """
    refuse_if_blocked(gates)


@step(effect=Effect.READ)
def check_world(traffic: Traffic, replicas: Replicas, *, live: Colour | None, previous: str | None) -> Started:
    """What serves now is what the plan was made for.

    Source: Pre-Deployment Checklist, "Verify current version".
    """
    weights = traffic.view().weights
    versions = {replica.version for replica in replicas.all() if replica.colour is weights.live}
    if weights != Weights.all_to(live) or (previous is not None and versions != {previous}):
        serves = f"{weights}" if weights.split else f"{weights.live or 'nothing'} serves"
        raise WorldDrifted(
            what=f"{serves} ({', '.join(sorted(versions)) or 'no replica'}); the plan was made for {live or 'nothing'} ({previous})",
            remedy="ue deploy status, then start the deployment anew",
        )
    return Started(at=now(), counters=traffic.counters())


@step(effect=Effect.CHANGE, time_limit=timedelta(hours=6))
def back_up_database(backups: Backups, *, name: str) -> Backup:
    """A backup of the whole database exists.

    Source: Production Deployment Steps, 1.
    """
    return backups.create(name)


@step(effect=Effect.CHANGE, time_limit=timedelta(minutes=5))
def discard_scratch(backups: Backups, *, name: str) -> None:
    """The restored copy is gone; the backup stays."""
    backups.discard_scratch(name)


@step(effect=Effect.CHANGE, undo=discard_scratch, time_limit=timedelta(hours=6))
def verify_backup(backups: Backups, *, name: str) -> BackupVerified:
    """The backup is proven: restored into a scratch server, and equal to the source in the dump's own snapshot."""
    return backups.verify(name)


@step(effect=Effect.CHANGE, time_limit=timedelta(minutes=2))
def end_rehearsal(
    migrations: Migrations,
    backups: Backups,
    replicas: Replicas,
    service: Service,
    *,
    version: str,
    previous: str | None,
    pending: tuple[Migration, ...],
    backup: str,
    ready_within: timedelta,
) -> None:
    """No replica runs on the restored copy any more."""
    del migrations, backups, service, version, previous, pending, backup, ready_within
    replicas.stop_rehearsal()


@step(effect=Effect.CHANGE, undo=end_rehearsal, time_limit=timedelta(hours=2))
def rehearse_migrations(
    migrations: Migrations,
    backups: Backups,
    replicas: Replicas,
    service: Service,
    *,
    version: str,
    previous: str | None,
    pending: tuple[Migration, ...],
    backup: str,
    ready_within: timedelta,
) -> Rehearsed:
    """On the restored copy, the migrations apply, the previous release passes its smoke tests on the new schema, and the rollback files lead back."""
    scratch = backups.scratch_url(backup)
    applied = migrations.apply(pending, database_url=scratch)
    progress(f"{len(applied.tags)} migrations applied to the restored copy")
    report = None
    if previous is not None:
        try:
            url = replicas.start_rehearsal(version=previous, database_url=backups.scratch_service_url(backup), within=ready_within)
            report = service.smoke(url=url, within=SMOKE_WITHIN)
        finally:
            replicas.stop_rehearsal()
        if not report.passed:
            raise PreviousReleaseBroken(
                what=f"{previous} can't live with the schema of {version}: {_failures(report)}",
                remedy="make the migration additive (expand, deploy, contract later), or deploy the contract step once no old release is left",
            )
        progress(f"{previous} passed {len(report.checks)} smoke tests on the new schema")
    taken_back = migrations.roll_back(pending, database_url=scratch)
    return Rehearsed(applied=applied.tags, previous=report, way_back=set(taken_back.tags) == set(applied.tags))


@step(effect=Effect.CHANGE)
def leave_maintenance(traffic: Traffic, *, retry_after: timedelta) -> None:
    """Requests reach the colours again."""
    del retry_after
    traffic.leave_maintenance()


@step(effect=Effect.CHANGE, undo=leave_maintenance)
def enter_maintenance(traffic: Traffic, *, retry_after: timedelta) -> None:
    """Every member is told 503 with Retry-After.

    Source: Production Deployment Steps, 1, "Set maintenance mode".
    """
    traffic.enter_maintenance(retry_after=retry_after)


@step(effect=Effect.CHANGE, time_limit=timedelta(hours=1))
def take_back_migrations(migrations: Migrations, *, pending: tuple[Migration, ...]) -> MigrationsApplied:
    """The schema and the ledger are as before the deployment."""
    return migrations.roll_back(pending)


@step(effect=Effect.CHANGE, undo=take_back_migrations, time_limit=timedelta(hours=6))
def apply_migrations(migrations: Migrations, *, pending: tuple[Migration, ...]) -> MigrationsApplied:
    """The release's migrations stand in the schema and in the ledger.

    Source: Production Deployment Steps, 2.
    """
    return migrations.apply(pending, meanwhile=progress)


@step(effect=Effect.READ, time_limit=timedelta(minutes=5))
def verify_previous_release(service: Service, *, colour: Colour, version: str) -> SmokeReport:
    """The release that serves passes its smoke tests on the new schema, before any traffic moves."""
    report = service.smoke(via=colour, within=SMOKE_WITHIN)
    if not report.passed:
        raise PreviousReleaseBroken(
            what=f"{version} fails on the new schema: {_failures(report)}", remedy="the migrations are taken back; mend them, and release them anew"
        )
    return report


@step(effect=Effect.CHANGE, time_limit=timedelta(minutes=5))
def stop_new_replicas(
    replicas: Replicas,
    releases: Releases,
    *,
    colour: Colour,
    version: str,
    digest: str,
    configuration: dict[str, str],
    count: int,
    within: timedelta,
) -> None:
    """The new colour runs nothing."""
    del releases, version, digest, configuration, count, within
    replicas.stop(colour)


@step(effect=Effect.CHANGE, undo=stop_new_replicas, time_limit=timedelta(minutes=5))
def start_replicas(
    replicas: Replicas,
    releases: Releases,
    *,
    colour: Colour,
    version: str,
    digest: str,
    configuration: dict[str, str],
    count: int,
    within: timedelta,
) -> ReplicasReady:
    """The idle colour runs the new version, every replica ready.

    It is the release, and they are the settings, that were planned. Raises: ReleaseChanged. Source: Production Deployment Steps, 3, "Wait for readiness".
    """
    require_release(releases, version, digest)
    ready = replicas.start(colour, version=version, count=count, within=within, configuration=configuration)
    require_release(releases, version, digest)  # what they loaded meanwhile is what was there on both sides
    return ready


@step(effect=Effect.READ, time_limit=timedelta(minutes=5))
def smoke_test(service: Service, *, colour: Colour, version: str) -> SmokeReport:
    """The new version passes its smoke tests through the preview route.

    Source: Production Deployment Steps, 3, "Run smoke tests".
    """
    report = service.smoke(via=colour, within=SMOKE_WITHIN)
    if not report.passed:
        raise SmokeFailed(what=f"{version} fails its smoke tests: {_failures(report)}", remedy="no member saw it; mend it, and release it under a new version")
    if report.version != version:
        raise SmokeFailed(what=f"{colour} answers as {report.version}, not as {version}", remedy="ue env status shows what runs there")
    return report


@step(effect=Effect.CHANGE)
def shift_back(traffic: Traffic, replicas: Replicas, *, to: Colour, share: int, back_to: Colour | None) -> None:
    """All new requests reach the colour that served before."""
    del replicas, to, share
    traffic.shift(Weights.all_to(back_to))


@step(effect=Effect.CHANGE, undo=shift_back)
def shift_traffic(traffic: Traffic, replicas: Replicas, *, to: Colour, share: int, back_to: Colour | None) -> Switched:
    """New requests reach the new colour: all of them, or the share that the plan says.

    Source: Production Deployment Steps, 3, "Switch traffic".
    """
    del back_to
    before = traffic.counters()
    shifted = traffic.shift(Weights.part_to(to, share))
    if share == ALL:
        replicas.mark_served(to)
    return Switched(at=now(), took=shifted.took, before=before, share=share, revision=shifted.revision)


@step(effect=Effect.READ)
def drain_old_colour(traffic: Traffic, *, colour: Colour) -> Drained:
    """The old colour has no request under way any more."""
    return traffic.drained(colour, within=DRAIN_WITHIN)


@step(effect=Effect.CHANGE, time_limit=LONGEST_BAKE + timedelta(hours=1))
def watch_release(
    traffic: Traffic,
    replicas: Replicas,
    service: Service,
    notifier: Notifier,
    *,
    target: WatchTarget,
    since: datetime,
    counted: Counters,
    bake: timedelta,
) -> Watched:
    """The new version was watched beside the old one, which was kept ready to take the members back, and there is a verdict.

    Raises: RoutesChanged. Source: Production Deployment Steps, 3, "Monitor for 10 minutes".
    """
    # The wall clock says how much of the watch is over, with a worker before this one perhaps; from here on it may jump.
    lasts = Stopwatch.started(already=max(now() - since, timedelta(0)))
    watch = Watch()
    verdict: Verdict | None = None
    with Vigil(traffic, replicas, service, notifier, target=target, since=counted) as vigil:
        lookout = vigil.lookout
        while verdict is None:
            pause(LOOK_EVERY)
            watch.see(vigil.look())
            figures = lookout.of_new
            verdict = watch.rolls_back()
            left = bake - lasts.shows
            if verdict is None and (lookout.blind or (left <= timedelta(0) and (watch.can_tell or left <= -MORE_DATA_WITHIN))):
                verdict = watch.concludes(blind=lookout.blind)
            numbers = encode(evidence(watch), tuple[RuleSeen, ...]) if verdict is not None or len(watch.looks) % EVIDENCE_EVERY == 1 else None
            progress(
                _watching(figures, left, decided=verdict is not None),
                evidence=numbers,
                **vigil.figures(),
                left_s=max(0.0, left.total_seconds()),
            )
        return Watched(
            verdict=verdict,
            new=lookout.of_new,
            old=lookout.of_old,
            took=lasts.shows,
            detected_at=now() if isinstance(verdict, RollBack) else None,
            share=target.share,
            evidence=evidence(watch),
            not_ready_since=vigil.readiness.lost_since,
        )


@step(effect=Effect.CHANGE, time_limit=FOR_EVER, retries=10, asks=True)
def hold(
    traffic: Traffic,
    replicas: Replicas,
    service: Service,
    notifier: Notifier,
    *,
    target: WatchTarget,
    question: str,
    choices: tuple[Decision, ...],
    until_ready: bool,
) -> Held:
    """A person said how it goes on; or harm was seen first, or an old version that can take the members back again.

    The new version is watched on meanwhile, and the old one kept ready. `until_ready`: the members must go back already, and the way back is waited for.
    Raises: RoutesChanged.
    """
    watch = Watch()
    lasts, silent_until, tell_at = Stopwatch.started(), Deadline.after(SILENT_FOR), Deadline.after(timedelta(0))
    with Vigil(traffic, replicas, service, notifier, target=target, since=traffic.counters()) as vigil:
        while (decision := ask(question, choices)) is None:
            pause(LOOK_EVERY)
            watch.see(vigil.look())
            harm = None if until_ready else watch.rolls_back()
            ready = until_ready and silent_until.passed and vigil.readiness.lost_since is None
            if harm or ready:
                return Held(decision=None, harm=harm.reason if harm else None, at=now(), counters=None)
            if tell_at.passed:
                tell_at = Deadline.after(TOLD_EVERY)
                figures = vigil.lookout.of_new
                seen = f"held for {format_duration(lasts.shows)}; {figures.answers} answers, {share_of(figures.errors, figures.answers)} failed meanwhile"
                progress(seen, evidence=encode(evidence(watch), tuple[RuleSeen, ...]), **vigil.figures())
        return Held(decision=decision, harm=None, at=now(), counters=_counters(traffic))


@step(effect=Effect.READ, time_limit=timedelta(minutes=5))
def verify_deployment(
    service: Service,
    replicas: Replicas,
    migrations: Migrations,
    *,
    version: str,
    colour: Colour,
    since: datetime,
    answers: int,
    old: Figures | None,
) -> Verified:
    """What members reach is healthy, works end to end, and is the version and the schema that was planned.

    Source: Production Deployment Steps, 4.
    """
    report = service.smoke(within=SMOKE_WITHIN)
    return Verified(
        checks=(
            health_check(service),
            smoke_check(report),
            version_check(report, wanted=version),
            schema_check(migrations, version=version),
            log_check(
                replicas.logs(colour, since=since, level="ERROR"),
                answers=answers,
                old=old,
                old_errors=len(replicas.logs(colour.other, since=since, level="ERROR")),
            ),
        )
    )


@step(effect=Effect.CHANGE, time_limit=timedelta(minutes=5))
def retire_old_colour(replicas: Replicas, *, colour: Colour) -> None:
    """The old colour was told to drain, finished what it had, and runs nothing."""
    replicas.stop(colour)


@step(effect=Effect.READ)
def write_receipt(traffic: Traffic, *, plan: DeployPlan, run_id: str, started: Started, ends_as: RunStatus, outcome: str) -> Receipt:
    """The deployment shows for itself: what was served, lost, and how long each part took, as measured."""
    counters = _counters(traffic)  # without the data plane the receipt still says what is known
    return receipt(plan, story(run_id), run_id, started=started, counters=counters, ends_as=ends_as, outcome=outcome)


def _counters(traffic: Traffic) -> Counters | None:
    """Return the data plane's counters; None when it does not answer."""
    try:
        return traffic.counters()
    except Unavailable:
        return None


def _watching(figures: Figures, left: timedelta, *, decided: bool) -> str:
    seen = f"{figures.answers} answers, {share_of(figures.errors, figures.answers)} failed"
    if decided:
        return seen
    if left > timedelta(0):
        return f"{seen}; {round(left.total_seconds())} s left"
    return f"{seen}; going on until " + (f"there are {FEWEST_ANSWERS}" if figures.answers < FEWEST_ANSWERS else "its health report is good again")


def require_release(releases: Releases, version: str, digest: str) -> None:
    """Return when the release is the one that was planned. Raises: ReleaseChanged."""
    found = releases.digest(version)
    if found != digest:
        raise ReleaseChanged(
            what=f"release {version} changed since it was planned: it was {digest[:12]}, and is {found[:12]}; no member was sent to it",
            remedy=f"look at what changed, then start it anew: ue deploy start {version}",
        )


def _failures(report: SmokeReport) -> str:
    return "; ".join(f"{check.name}: {check.detail}" for check in report.failures) or "no test ran"
