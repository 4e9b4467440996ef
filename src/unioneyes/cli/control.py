"""`ue control`: the engine's own database."""

from __future__ import annotations

from unioneyes.cli.options import HERE, PRINTED, Output, Where
from unioneyes.cli.output import result, say
from unioneyes.environments import migrate_control
from unioneyes.kernel.problems import ExitCode


def migrate(*, where: Where = HERE, printed: Output = PRINTED) -> ExitCode:
    """Bring the engine's own database to this release's tables, and start no server.

    For a job that runs before the servers of a new release do. A server does the same when it starts, one at a time. Safe to repeat.
    """
    revision = migrate_control(where.env, where.home)
    result(printed, {"revision": revision}, lambda _: f"the engine's database is at {revision}")
    say(f"next: ue serve{where.flags}")
    return ExitCode.DONE
