"""`ue rollback`: the members get the good release back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from cyclopts import Parameter

from unioneyes.cli.client import Api, ServerUnavailable
from unioneyes.cli.launch import LAUNCH, SURE, Launch, Sure, launch
from unioneyes.cli.options import HERE, PRINTED, Format, Output, Where
from unioneyes.cli.output import Cell, Ink, facts, result, say, table
from unioneyes.cli.request import asks_for
from unioneyes.kernel.problems import ExitCode, Problem
from unioneyes.kernel.status import Tone
from unioneyes.kernel.units import format_duration
from unioneyes.operations.rollback.model import RestoreRequest, RollBackMigrationRequest, RollbackOption, RollBackReleaseRequest
from unioneyes.ports.runs import RollBackRollingRequest, RollBackTrafficRequest

REASONS = "What was found: data-corruption, vulnerability, feature-broken or data-integrity; one way back is then proposed."

DIRECT = "Break-glass: without the server and its database, when they are gone. Journaled here, and brought into the audit log when they are back."


@asks_for(RollBackTrafficRequest, hidden=frozenset({"deployment"}))
def traffic(
    request: RollBackTrafficRequest,
    *,
    direct: Annotated[bool, Parameter(help=DIRECT, negative=(), show_default=False)] = False,
    how: Launch = LAUNCH,
    where: Where = HERE,
    output: Output = PRINTED,
) -> ExitCode:
    """Send the members back to the colour that served before.

    Takes the service over from a deployment that is under way; that run stops where it is.
    """
    if direct:
        from unioneyes.cli.direct import roll_back_directly  # noqa: PLC0415 - the server's weight, where there is no server

        return roll_back_directly(request, how, where, output)
    try:
        return launch("rollback.traffic", request, how, where, output)
    except Problem as problem:
        if problem.code not in {"server-unavailable", "control-database-unavailable"}:
            raise
        remedy = f'{problem.remedy}; where the members can\'t wait for that: ue rollback traffic --direct --reason "..."'
        raise ServerUnavailable(what=problem.what, remedy=remedy) from None


@asks_for(RollBackReleaseRequest)
def release(request: RollBackReleaseRequest, *, how: Launch = LAUNCH, where: Where = HERE, output: Output = PRINTED) -> ExitCode:
    """Start the previous release again, with its own configuration, and send the members there.

    For when it is not warm any more; `ue rollback traffic` is faster while it is.
    """
    return launch("rollback.release", request, how, where, output)


@asks_for(RollBackRollingRequest, hidden=frozenset({"deployment"}))
def rolling(request: RollBackRollingRequest, *, how: Launch = LAUNCH, where: Where = HERE, output: Output = PRINTED) -> ExitCode:
    """Put replicas of the version that served before back, one after the other.

    For a release that went out with --strategy rolling; also in the middle of that: it ends on the version that served before, and that run stops.
    """
    return launch("rollback.rolling", request, how, where, output)


@asks_for(RollBackMigrationRequest)
def migration(request: RollBackMigrationRequest, *, how: Launch = LAUNCH, sure: Sure = SURE, where: Where = HERE, output: Output = PRINTED) -> ExitCode:
    """Take the newest migration back by its rollback file, after a verified backup.

    Refused while a release that gets members' requests needs it. What it destroys is shown first, and its database's name asked for.
    """
    return launch("rollback.migration", request, how, where, output, sure=sure)


@asks_for(RestoreRequest)
def restore(request: RestoreRequest, *, how: Launch = LAUNCH, sure: Sure = SURE, where: Where = HERE, output: Output = PRINTED) -> ExitCode:
    """Put a verified backup in the live database's place; the database that was live is kept.

    Restored beside it and compared first; what was written since the backup is counted. The database's name is asked for.
    """
    return launch("rollback.restore", request, how, where, output, sure=sure)


def plan(*, reason: Annotated[str | None, Parameter(help=REASONS)] = None, where: Where = HERE, output: Output = PRINTED) -> ExitCode:
    """Show which ways back are open now, how long each takes and what it loses, best first.

    Ends with 0 when at least one is open, with 3 when none is.
    """
    found = Api(where).get("rollback/options", tuple[RollbackOption, ...], {"reason": reason})
    result(output, found.document, lambda ink: "\n".join(_options_text(ink, found.value)))
    proposed = next((option for option in found.value if option.proposed), None)
    if proposed is not None and output.output is Format.TABLE:
        say(f"next: {proposed.command}{where.flags}")
    return ExitCode.DONE if any(option.possible for option in found.value) else ExitCode.REFUSED


def _options_text(ink: Ink, options: tuple[RollbackOption, ...]) -> Iterator[str]:
    yield _options_table(ink, options)
    for option in options:
        yield f"\n{ink.bold(f'{option.option}: {option.title}')}\n{facts(ink, _told(option), indent='  ')}"


def _told(option: RollbackOption) -> tuple[tuple[str, str], ...]:
    return (
        ("proposed", option.proposed or ""),
        ("why" if option.possible else "why not", option.why),
        ("data lost", option.data_lost if option.possible else ""),
        ("type", option.command if option.possible else ""),
    )


def _options_table(ink: Ink, options: tuple[RollbackOption, ...]) -> str:
    rows = [
        (
            option.option,
            option.title,
            Cell("✔ open", Tone.GOOD) if option.possible else Cell("⊘ closed", Tone.WARN),
            format_duration(option.takes) if option.possible and option.takes is not None else "-",
            ("some" if option.loses else "none") if option.possible else "-",
            "✔" if option.proposed else "",
        )
        for option in options
    ]
    return table(ink, ("option", "way", "state", "takes", "data lost", "proposed"), rows, empty="no way back is known")
