"""Recovery to the second, of the operated database."""

from __future__ import annotations

from datetime import timedelta

from pydantic import TypeAdapter

from unioneyes.adapters.postgres.bootstrap import REPLICATION
from unioneyes.adapters.postgres.recovery.archive import WalArchive
from unioneyes.adapters.postgres.recovery.barman.catalogue import BarmanCatalogue
from unioneyes.adapters.postgres.recovery.barman.log import BarmanLog
from unioneyes.adapters.postgres.recovery.barman.program import Barman
from unioneyes.adapters.postgres.recovery.bases import BaseBackups
from unioneyes.adapters.postgres.recovery.catalogue import Catalogue
from unioneyes.adapters.postgres.recovery.export import Export
from unioneyes.adapters.postgres.recovery.plain import PlainCatalogue
from unioneyes.adapters.postgres.recovery.recovery import RecoversBeside
from unioneyes.adapters.postgres.recovery.scratch import RecoveryServers
from unioneyes.environments.local.stack import Stack
from unioneyes.kernel.project import project_path


def build_recovery(stack: Stack) -> RecoversBeside:
    """Return the recovery of the stack's operated database. What crashed processes left of scratch servers is gone."""
    layout, settings = stack.layout, stack.settings
    servers = RecoveryServers(layout.recovered, layout.recovered_sockets)
    servers.sweep()
    catalogue = _catalogue(stack)
    return RecoversBeside(
        catalogue=catalogue,
        servers=servers,
        bring=Export(admin=stack.administrative_url, live=stack.database_name, folder=catalogue.folder),
        expected=() if settings.elsewhere else (stack.replica.name,),
        promotion=_promotion(),
    )


def _catalogue(stack: Stack) -> Catalogue:
    """Return who keeps base backups and the log, as `[backup] engine` says."""
    layout, backup, url = stack.layout, stack.settings.backup, stack.database_url(REPLICATION)
    if backup.barman is None:
        made = BaseBackups(folder=layout.bases, database_url=url)
        return PlainCatalogue(made=made, log=WalArchive(folder=layout.wal), mode=backup.wal, window=backup.window)
    barman = Barman(server=backup.barman.server, program=backup.barman.program, config=backup.barman.config)
    log = BarmanLog(barman=barman, folder=layout.barman)
    log.sweep()
    return BarmanCatalogue(barman=barman, log=log, database_url=url, folder=layout.barman, window=backup.window)


def _promotion() -> timedelta | None:
    """Return how long promoting a replica took in the last drill, as the release carries it; None where none was measured."""
    try:
        return TypeAdapter(dict[str, timedelta]).validate_json(project_path("docs/measured/promotion.json").read_bytes()).get("promotion")
    except OSError:
        return None
