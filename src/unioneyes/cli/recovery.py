"""`ue backup base|wal|pitr` and `ue db failover-check`: recovery to the second, and what would be lost with the primary."""

from __future__ import annotations

from unioneyes.cli.client import Api
from unioneyes.cli.launch import LAUNCH, Launch, launch
from unioneyes.cli.options import HERE, PRINTED, Output, Where
from unioneyes.cli.output import result
from unioneyes.cli.recoverytexts import endangered, failover_text, wal_text
from unioneyes.cli.request import asks_for
from unioneyes.kernel.problems import ExitCode
from unioneyes.operations.database.recovery.model import BaseRequest, PitrRequest
from unioneyes.ports.recovery import FailoverView, WalMode, WalView


@asks_for(BaseRequest)
def base(request: BaseRequest, *, how: Launch = LAUNCH, where: Where = HERE, output: Output = PRINTED) -> ExitCode:
    """Copy the database server's files, from which one recovers to any moment since.

    Each file is compared with what the server sent. What the window of `[backup]` needs no more is removed afterwards.
    """
    return launch("backup.base", request, how, where, output)


def wal(*, where: Where = HERE, output: Output = PRINTED) -> ExitCode:
    """Show how the database's log is kept, and what can be recovered to.

    Ends with 1 where the log should be received and is not, where it has a gap, or where Barman, who keeps it, finds something wrong.
    """
    found = Api(where).get("recovery", WalView)
    result(output, found.document, lambda ink: wal_text(ink, found.value))
    well = not found.value.gaps and (found.value.mode is WalMode.NONE or found.value.streaming is True)
    well = well and not (found.value.kept_by and found.value.kept_by.complaints)
    return ExitCode.DONE if well else ExitCode.FAILED


@asks_for(PitrRequest)
def pitr(request: PitrRequest, *, how: Launch = LAUNCH, where: Where = HERE, output: Output = PRINTED) -> ExitCode:
    """Bring back what was committed up to a moment, or before a transaction, beside the live database.

    The live database is not touched: what was recovered comes into a new one, or is left to be looked into.
    """
    return launch("backup.pitr", request, how, where, output)


def failover_check(*, where: Where = HERE, output: Output = PRINTED) -> ExitCode:
    """Show what would be lost if the primary were gone this moment, and how long promoting its replica takes.

    Ends with 1 where nobody keeps what the primary writes.
    """
    found = Api(where).get("recovery/failover", FailoverView)
    result(output, found.document, lambda ink: failover_text(ink, found.value))
    return ExitCode.FAILED if endangered(found.value) else ExitCode.DONE
