"""What of a release's migrations may be done, and what is known of those that were: pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from unioneyes.kernel.problems import BadInput, Refused
from unioneyes.kernel.units import format_bytes
from unioneyes.operations.database.migrating_model import AppliedBy, MigrationLine, MigrationsView, Served
from unioneyes.ports.database import Migration, Risk, Standing, TableSize
from unioneyes.ports.releases import Release
from unioneyes.ports.replicas import Replica
from unioneyes.ports.traffic import Weights
from unioneyes.runbook.plan import Reading
from unioneyes.runbook.views import RunView

RUNBOOKS = ("database.migrate", "deployment.start")
"""Those whose results name under `migrations` what they applied."""


class NeedsMaintenance(Refused):
    """A migration says that nobody may be served meanwhile."""


class TooFewApplied(BadInput):
    """There are fewer migrations than steps back were asked for."""


def serving(weights: Weights, replicas: tuple[Replica, ...]) -> tuple[Served, ...]:
    """Return every release that gets members' requests, blue first."""
    there = {(replica.colour, replica.version) for replica in replicas if weights.of(replica.colour)}
    return tuple(Served(colour=colour, version=version) for colour, version in sorted(there))


def newest(releases: tuple[Release, ...]) -> str:
    """Return the version of the newest release (`releases` are oldest first) that nobody made faulty on purpose; of any where all are."""
    honest = [release for release in releases if release.fault is None]
    return (honest or releases)[-1].version


def require_served(migrations: tuple[Migration, ...], version: str) -> None:
    """Return when members may be served meanwhile. Raises: NeedsMaintenance."""
    needing = [migration.tag for migration in migrations if migration.needs_maintenance]
    if needing:
        raise NeedsMaintenance(
            what=f"{needing[0]} says that nobody may be served meanwhile (`-- ue: maintenance`); nothing was changed",
            remedy=f"ue deploy start {version} --migrate: it keeps members out for as long as that takes",
        )


def tables_of(risks: tuple[Risk, ...]) -> tuple[str, ...]:
    """Return the tables that the statements are about, each once, in their order."""
    return tuple(dict.fromkeys(risk.table for risk in risks if risk.table is not None))


def size_readings(sizes: tuple[TableSize, ...]) -> tuple[Reading, ...]:
    """Return how large the tables are that stand there, as readings of a plan."""
    return tuple(Reading(name=size.table, value=spoken_size(size)) for size in sizes if size.bytes)


def spoken_size(size: TableSize) -> str:
    """Return it as people say it: `about 1,204,332 rows, 310.0 MiB`."""
    rows = "rows unknown (never analysed)" if size.rows is None else f"about {size.rows:,} rows"
    return f"{rows}, {format_bytes(size.bytes)}"


def applied_by(runs: Iterable[RunView]) -> dict[str, AppliedBy]:
    """Return which run applied which migration last, by its tag, as the runs' results say."""
    found: dict[str, AppliedBy] = {}
    for run in sorted((run for run in runs if run.ended_at is not None), key=lambda run: run.ended_at or run.created_at):
        tags = run.result.get("migrations") if isinstance(run.result, Mapping) else None
        for tag in tags if isinstance(tags, list) else ():
            found[str(tag)] = AppliedBy(run=run.id, by=run.requested_by, at=run.ended_at or run.created_at)
    return found


def view(standing: Standing, known: Mapping[str, AppliedBy], served: tuple[Served, ...]) -> MigrationsView:
    """Return how the schema stands, with what is known of how each migration came there."""
    return MigrationsView(
        version=standing.version,
        serving=tuple(dict.fromkeys(one.version for one in served)),
        lines=tuple(MigrationLine(row=row, applied=known.get(row.tag or ""), ahead=row.id in standing.ahead) for row in standing.rows),
        pending=standing.pending,
        drift=standing.drift,
        unfinished=standing.unfinished,
    )


def steps_back(view: MigrationsView, steps: int) -> str | None:
    """Return the tag that stays when the newest `steps` migrations are taken back; None for a single step. Raises: TooFewApplied."""
    if steps == 1:
        return None
    stays = view.lines[steps : steps + 1]
    if steps < 1 or not stays or stays[0].row.tag is None:
        there = len(view.lines)
        raise TooFewApplied(
            what=f"{steps} steps back can't be taken: the ledger holds {there} migration{'' if there == 1 else 's'}, and at least one stays",
            remedy="ue db migrate status shows them; ue rollback restore brings an earlier database back",
        )
    return stays[0].row.tag
