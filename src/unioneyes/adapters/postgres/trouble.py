"""What went wrong with the machine, and says nothing of the backup that was read meanwhile."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from unioneyes.adapters.postgres.programs import BETWEEN
from unioneyes.kernel.units import format_bytes

_OF_THE_MACHINE = re.compile(
    r"No space left on device|Disk quota exceeded|Cannot allocate memory|[Oo]ut of (?:shared )?memory|could not (?:fork|map|resize|extend)"
    r"|connection to server|server closed the connection|terminating connection|no connection to the server"
    r"|is (?:starting up|shutting down)|in recovery mode|worker process died|exit code -\d|did not end within|can't be run"
)


def of_the_machine(said: str) -> bool:
    """Return whether a complaint of PostgreSQL's is about the disk, the memory, or a process that ended: the same file may be read another time.

    Of several complaints the first is the cause: where a row is refused, the process that restored it dies, too.
    """
    return _OF_THE_MACHINE.search(said.partition(BETWEEN)[0]) is not None


def room_at(folder: Path) -> str:
    """Return how much room there is, to be said behind a complaint; nothing where nobody can know."""
    try:
        return f"; {folder} has {format_bytes(shutil.disk_usage(folder).free)} free"
    except OSError:
        return ""
