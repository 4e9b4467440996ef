"""Which way back is open: pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from unioneyes.operations.rollback.model import RollbackOption, RollBackPlan, Serving
from unioneyes.operations.rollback.reasons import Trigger
from unioneyes.ports.database import Loss, LossKind, Migration
from unioneyes.ports.replicas import Replica, Revision, Rolling, incumbent
from unioneyes.ports.service import SmokeReport
from unioneyes.ports.traffic import Colour, Weights


@dataclass(frozen=True, slots=True, kw_only=True)
class WayBack:
    """The colour that served before, warm."""

    colour: Colour
    version: str
    replicas: tuple[Replica, ...]
    """Those that are ready."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoWay:
    """Why there is none."""

    why: str
    remedy: str


def way_back(weights: Weights, replicas: tuple[Replica, ...], revisions: tuple[Revision, ...] = ()) -> WayBack | NoWay:
    """Return where the members can go back to, if it is ready: while requests are split, where they come from; else the other colour, if it has served them.

    A release that was only tried is no way back, and neither is one that a rollback has just left (`revisions` are newest first).
    """
    mixed = sorted({replica.version for replica in replicas if replica.colour is weights.live})
    if not weights.split and len(mixed) > 1:
        why = f"{' and '.join(mixed)} serve side by side on {weights.live}: one is being put in the place of the other"
        return NoWay(why=why, remedy='ue rollback rolling --reason "..."')
    used_to = incumbent(weights, replicas)
    if used_to is None:
        return NoWay(why="nothing serves, so there is nothing to go back from", remedy="ue release list, then ue deploy start with the version that was good")
    back_to = used_to if weights.split else used_to.other
    ready = tuple(replica for replica in replicas if replica.colour is back_to and replica.ready)
    if not ready:
        why = f"{back_to} has no ready replica; the previous release is kept warm until a deployment's watch ends"
        return NoWay(why=why, remedy="ue rollback plan shows the other ways; or ue release list, then ue deploy start with the version that was good")
    if not weights.split and not all(replica.served for replica in ready):
        why = f"{ready[0].version} on {back_to} has never served members: nothing was switched yet, and {used_to} still serves"
        return NoWay(
            why=why, remedy="ue deploy status; to stop the deployment: ue run cancel RUN, or ue run resume RUN --undo where it is parked; ue rollback plan"
        )
    last = next((revision for revision in revisions if revision.version == ready[0].version), None)
    if not weights.split and last is not None and last.bad:
        why = f"{ready[0].version} on {back_to} is what a rollback sent the members away from"
        return NoWay(why=why, remedy="ue rollback plan; to have it all the same: ue deploy start with that version")
    return WayBack(colour=back_to, version=ready[0].version, replicas=ready)


def still_leads(plan: RollBackPlan, replicas: tuple[Replica, ...]) -> bool:
    """Return whether a plan that was left in the middle can be gone on with: its good release stands ready where it stood."""
    ready = {replica.version for replica in replicas if replica.colour is plan.back_to and replica.ready}
    return ready == {plan.version}


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """A release that can't live without a migration."""

    version: str
    tag: str


def serving(weights: Weights, replicas: tuple[Replica, ...]) -> tuple[Serving, ...]:
    """Return every release that gets members' requests, blue first."""
    there = {(replica.colour, replica.version) for replica in replicas if weights.of(replica.colour)}
    return tuple(Serving(colour=colour, version=version) for colour, version in sorted(there))


def needing(tags: tuple[str, ...], carried: Mapping[str, frozenset[str]]) -> Needs | None:
    """Return a release of `carried` (its migrations by its version) that needs one of `tags`, the newest first; None when each lives without them."""
    return next((Needs(version=version, tag=tag) for version, own in carried.items() for tag in reversed(tags) if tag in own), None)


def earlier(revisions: tuple[Revision, ...], serving: str) -> Revision | None:
    """Return the newest revision (`revisions` are newest first) before the one that serves, which was not bad; None when there is none.

    Where a release was given the members only for a moment, and they were sent back, the newest revision is not the one that serves.
    """
    current = next((at for at, revision in enumerate(revisions) if revision.version == serving), -1)
    return next((revision for revision in revisions[current + 1 :] if not revision.bad and revision.version != serving), None)


ON_ITS_WAY = "the release that was on its way"
"""What people are told of one that no member reached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Back:
    """What the replicas of a colour go back to."""

    revision: int
    version: str
    configuration: dict[str, str]
    away_from: str
    """What they leave."""
    bad_since: datetime | None
    """When members first reached that; None when unknown."""


def back_from_roll(revisions: tuple[Revision, ...], rolling: Rolling | None, serving: str, *, to: int | None, began: bool | None) -> Back | NoWay:
    """Return what the replicas go back to (`revisions` are newest first): what was asked for; else, where a roll is under way, what stood before it.

    `began` says whether the deployment that was interrupted had begun to roll; None where none was. One that had not has changed nothing: what serves
    stays. One that had, and whose version has served all members by now, goes back to what served before it.
    """
    newest = next(iter(revisions), None)
    if newest is None:
        return NoWay(why="no release is known to have served members", remedy="ue release list, then ue deploy start")
    away = newest.version if began else ON_ITS_WAY if began is False else serving
    if rolling is not None:
        away = rolling.before if rolling.back else rolling.version
    if to is not None:
        chosen = next((revision for revision in revisions if revision.number == to), None)
        known = ", ".join(str(revision.number) for revision in revisions)
        return _back(chosen, away, revisions) if chosen else NoWay(why=f"there is no revision {to}", remedy=f"one of: {known}")
    if rolling is not None:
        chosen = next((revision for revision in revisions if revision.version == rolling.version), newest) if rolling.back else newest
    elif began is None:
        chosen = earlier(revisions, serving)
    else:
        chosen = next((revision for revision in revisions[1:] if not revision.bad), None) if began else newest
    if chosen is None:
        return NoWay(why=f"no good release served members before {away}", remedy="ue release list, then ue deploy start with the version that was good")
    return _back(chosen, away, revisions)


def _back(chosen: Revision, away: str, revisions: tuple[Revision, ...]) -> Back:
    since = next((revision.since for revision in revisions if revision.version == away), None)
    return Back(revision=chosen.number, version=chosen.version, configuration=chosen.configuration, away_from=away, bad_since=since)


def beyond(carried: tuple[str, ...], head: str | None) -> str | None:
    """Return the first of a release's migrations (oldest first) that a schema ending at `head` lacks; None when it has them all.

    A head that the release does not carry is a newer one: schemas only grow.
    """
    if head is None:
        return carried[0] if carried else None
    return next(iter(carried[carried.index(head) + 1 :]), None) if head in carried else None


def newest_after(applied: tuple[Migration, ...], to: str | None) -> tuple[Migration, ...]:
    """Return what was applied after `to`, oldest first; the newest alone when `to` is not given."""
    if to is None:
        return applied[-1:]
    return applied[[migration.tag for migration in applied].index(to) + 1 :]


def unannounced(dropped: tuple[str, ...], losses: tuple[Loss, ...]) -> tuple[str, ...]:
    """Return what the catalogue lost (`table.column`) and nobody announced. Where an announced loss is unknown, it may be anything."""
    if any(loss.kind is LossKind.UNKNOWN for loss in losses):
        return ()
    announced = {loss.what.removeprefix("public.") for loss in losses}
    return tuple(column for column in dropped if column not in announced and column.rpartition(".")[0] not in announced)


def failures(report: SmokeReport) -> str:
    """Return what failed, in one line."""
    return "; ".join(f"{check.name}: {check.detail}" for check in report.failures) or "no test ran"


def ranked(options: tuple[RollbackOption, ...]) -> tuple[RollbackOption, ...]:
    """Return the options, best first: those that are open, then those that lose nothing, then the fastest; what was never measured comes last."""
    return tuple(sorted(options, key=lambda option: (not option.possible, option.loses, option.takes is None, option.takes or timedelta(0))))


def propose(options: tuple[RollbackOption, ...], trigger: Trigger, *, migrated: bool) -> tuple[RollbackOption, ...]:
    """Return the options, one of them proposed for `trigger`: what mends it, or, while that is closed, what opens it. `options` are ranked.

    `migrated` says that the last release came with a migration, which may be what harmed the data.
    """
    mending, because = mends(trigger, migrated=migrated)
    chosen = next((option for option in options if option.runbook in mending and option.possible), None)
    if chosen is not None:
        return tuple(replace(option, proposed=f"{trigger.spelled}: {because}") if option is chosen else option for option in options)
    closed = next((option for option in options if option.runbook in mending), None)
    opens = next((option for option in options if option.runbook in _RELEASES and option.possible), None)
    if closed is None or opens is None:
        return options
    first = f"{trigger.spelled}: {because}; that is closed ({closed.why}), and this opens it"
    return tuple(replace(option, proposed=first) if option is opens else option for option in options)


_RELEASES = ("rollback.traffic", "rollback.rolling", "rollback.release")


def mends(trigger: Trigger, *, migrated: bool) -> tuple[tuple[str, ...], str]:
    """Return the runbooks that mend `trigger`, and why."""
    match trigger:
        case Trigger.DATA_CORRUPTION:
            return ("rollback.restore",), "only a backup from before holds sound data"
        case Trigger.DATA_INTEGRITY if migrated:
            return ("rollback.migration",), "the last migration came with what harmed it, so it is taken back"
        case Trigger.DATA_INTEGRITY:
            return ("rollback.restore",), "no migration came with the last release, so only a backup from before is whole"
        case Trigger.VULNERABILITY:
            return _RELEASES, "the fastest way to another release"
        case Trigger.FEATURE_BROKEN:
            return _RELEASES, "the release before it had the feature, and no data is lost"
