"""Recovery to the second, of the operated database."""

from __future__ import annotations

from datetime import timedelta

from pydantic import TypeAdapter

from unioneyes.adapters.postgres.bootstrap import REPLICATION
from unioneyes.adapters.postgres.recovery.archive import WalArchive
from unioneyes.adapters.postgres.recovery.bases import BaseBackups
from unioneyes.adapters.postgres.recovery.export import Export
from unioneyes.adapters.postgres.recovery.recovery import PlainRecovery
from unioneyes.adapters.postgres.recovery.scratch import RecoveryServers
from unioneyes.environments.local.stack import Stack
from unioneyes.kernel.project import project_path


def build_recovery(stack: Stack) -> PlainRecovery:
    """Return the recovery of the stack's operated database. What crashed processes left of scratch servers is gone."""
    layout, settings = stack.layout, stack.settings
    servers = RecoveryServers(layout.recovered, layout.recovered_sockets)
    servers.sweep()
    return PlainRecovery(
        bases_in=BaseBackups(folder=layout.bases, database_url=stack.database_url(REPLICATION)),
        archive=WalArchive(folder=layout.wal),
        servers=servers,
        bring=Export(admin=stack.administrative_url, live=stack.database_name, folder=layout.bases),
        mode=settings.backup.wal,
        window=settings.backup.window,
        expected=() if settings.elsewhere else (stack.replica.name,),
        promotion=_promotion(),
    )


def _promotion() -> timedelta | None:
    """Return how long promoting a replica took in the last drill, as the release carries it; None where none was measured."""
    try:
        return TypeAdapter(dict[str, timedelta]).validate_json(project_path("docs/measured/promotion.json").read_bytes()).get("promotion")
    except OSError:
        return None
