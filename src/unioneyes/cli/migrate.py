"""`ue db migrate`: the schema's history, and a release's migrations without its deployment."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from cyclopts import Parameter

from unioneyes.cli.client import Api
from unioneyes.cli.launch import LAUNCH, SURE, Launch, Sure, launch
from unioneyes.cli.migratetexts import standing_text
from unioneyes.cli.options import HERE, PRINTED, Output, Where
from unioneyes.cli.output import result, say
from unioneyes.cli.request import asks_for
from unioneyes.kernel.clock import now
from unioneyes.kernel.problems import ExitCode
from unioneyes.operations.database.migrating_model import MigrateRequest, MigrationsView
from unioneyes.operations.database.migrating_rules import steps_back
from unioneyes.operations.rollback.model import RollBackMigrationRequest


def status(
    version: Annotated[str | None, Parameter(help="The release that is compared with; the newest one when not given.")] = None,
    /,
    *,
    where: Where = HERE,
    output: Output = PRINTED,
) -> ExitCode:
    """Show what was applied, when and by whom, what a release lacks, and all drift.

    Drift is where the ledger and the files contradict each other. Ends with 1 where they do, or where a migration was begun and not ended.
    """
    found = Api(where).get("migrations", MigrationsView, {"version": version} if version else None)
    result(output, found.document, lambda ink: standing_text(ink, found.value, now()))
    return ExitCode.FAILED if found.value.drift or found.value.unfinished else ExitCode.DONE


@asks_for(MigrateRequest, positional="version")
def plan(request: MigrateRequest, *, where: Where = HERE, output: Output = PRINTED) -> ExitCode:
    """Show what each statement would do: lock, who waits, lint, and the way back.

    Nothing is changed. Ends with 3 where `ue db migrate apply` would be refused.
    """
    return launch("database.migrate", request, replace(LAUNCH, dry_run=True), where, output)


@asks_for(MigrateRequest, positional="version")
def apply(request: MigrateRequest, *, how: Launch = LAUNCH, where: Where = HERE, output: Output = PRINTED) -> ExitCode:
    """Apply a release's migrations beneath whoever serves, without deploying it.

    `ue deploy start VERSION --migrate` does more: it backs up, and tries them on the restored copy first.
    """
    return launch("database.migrate", request, how, where, output)


def rollback(
    *,
    reason: Annotated[str, Parameter(help="Why, for the incident report: data-corruption, vulnerability, feature-broken, data-integrity, or your own words.")],
    steps: Annotated[int, Parameter(help="How many of the newest migrations are taken back.")] = 1,
    how: Launch = LAUNCH,
    sure: Sure = SURE,
    where: Where = HERE,
    output: Output = PRINTED,
) -> ExitCode:
    """Take the newest migrations back, as `ue rollback migration` does.

    By their rollback files, after a verified backup; how far is counted in steps.
    """
    stays = steps_back(Api(where).get("migrations", MigrationsView).value, steps)
    if stays is not None:
        say(f"{stays} stays, and what is newer goes")
    return launch("rollback.migration", RollBackMigrationRequest(reason=reason, to=stays), how, where, output, sure=sure)
