"""`ue backup`: backups of the database are made, proven, kept, and restored."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from cyclopts import Parameter

from unioneyes.cli.backuptexts import backup_text, backups_text, schedule_text
from unioneyes.cli.client import Api
from unioneyes.cli.launch import LAUNCH, Launch, Sure, launch
from unioneyes.cli.options import HERE, PRINTED, Output, Where
from unioneyes.cli.output import result
from unioneyes.cli.request import asks_for
from unioneyes.kernel.problems import BadInput, ExitCode
from unioneyes.operations.database.backups.model import BackupsView, BackupView, CreateRequest, PruneRequest, RestoreIntoRequest, VerifyRequest
from unioneyes.operations.rollback.model import RestoreRequest

INTO = "unioneyes_restore"


def list_backups(*, where: Where = HERE, output: Output = PRINTED) -> ExitCode:
    """List the backups, newest first: how each stands, and whether it is kept."""
    found = Api(where).get("backups", BackupsView)
    result(output, found.document, lambda ink: backups_text(ink, found.value))
    return ExitCode.DONE


def show(name: Annotated[str, Parameter(help="The backup, as `ue backup list` calls it.")], /, *, where: Where = HERE, output: Output = PRINTED) -> ExitCode:
    """Show everything of one backup: what is in it, where it is kept, and how it was proven."""
    found = Api(where).get(f"backups/{quote(name, safe='')}", BackupView)
    result(output, found.document, lambda ink: backup_text(ink, found.value))
    return ExitCode.DONE


def schedule(*, where: Where = HERE, output: Output = PRINTED) -> ExitCode:
    """Show when a backup is made by itself, and what became of the last ones.

    Ends with 1 when one was missed or failed and none was made since. `[backup] daily` in environment.toml says when, in UTC; `never` for not at all.
    """
    found = Api(where).get("backups", BackupsView)
    result(output, found.document, lambda ink: schedule_text(ink, found.value))
    return ExitCode.FAILED if found.value.daily and found.value.daily.overdue else ExitCode.DONE


@asks_for(CreateRequest)
def create(request: CreateRequest, *, how: Launch = LAUNCH, where: Where = HERE, output: Output = PRINTED) -> ExitCode:
    """Back the database up, and prove the backup by restoring it.

    Nobody is kept waiting, and a deployment goes on beside it. What fails in the middle leaves nothing.
    """
    return launch("backup.create", request, how, where, output)


@asks_for(VerifyRequest, positional="name")
def verify(request: VerifyRequest, *, how: Launch = LAUNCH, where: Where = HERE, output: Output = PRINTED) -> ExitCode:
    """Prove a backup: restore it into a scratch server, and compare every table."""
    return launch("backup.verify", request, how, where, output)


@asks_for(PruneRequest)
def prune(request: PruneRequest, *, how: Launch = LAUNCH, where: Where = HERE, output: Output = PRINTED) -> ExitCode:
    """Remove backups that need not be kept any more; never the last proven one.

    `--dry-run` says of each what becomes of it, and why. `[backup]` in environment.toml says how long they are kept.
    """
    return launch("backup.prune", request, how, where, output)


def restore(
    name: Annotated[str, Parameter(help="The backup, as `ue backup list` calls it; a verified one.")],
    /,
    *,
    into: Annotated[str | None, Parameter(help=f"The new database's name; {INTO} when not given.")] = None,
    confirm: Annotated[str | None, Parameter(help="The live database's name: the backup is put in its place, as `ue rollback restore` does.")] = None,
    reason: Annotated[str | None, Parameter(help="Why, for the journal and the audit log.")] = None,
    how: Launch = LAUNCH,
    where: Where = HERE,
    output: Output = PRINTED,
) -> ExitCode:
    """Restore a backup into a new database beside the live one; or, confirmed, in its place.

    A database that is there already is refused. In the live one's place: `--confirm` and its name; what was live is kept under another.
    """
    if confirm is None:
        return launch("backup.restore", RestoreIntoRequest(name=name, into=into or INTO, reason=reason), how, where, output)
    if into not in {None, confirm}:
        raise BadInput(what=f"--confirm {confirm} means the live database, and --into {into} another one", remedy="leave one of them out")
    request = RestoreRequest(backup=name, reason=reason or f"{name} is wanted back")
    return launch("rollback.restore", request, how, where, output, sure=Sure(confirm=confirm))
