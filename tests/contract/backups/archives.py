"""Archives in a test's own folder."""

from __future__ import annotations

from pathlib import Path

from pydantic import SecretStr

from unioneyes.adapters.files import BackupFolder
from unioneyes.adapters.postgres.archive import Archive
from unioneyes.ports.backup_store import BackupStore


def archive_in(folder: Path, *, store: BackupStore | None = None, recipients: tuple[str, ...] = (), identity: SecretStr | None = None) -> Archive:
    """Return the archive of `folder`, with a store of its own where none is given."""
    return Archive(
        store=store or BackupFolder(folder / "backups"),
        work=folder / "scratch",
        recipients=recipients,
        identity=(lambda: identity) if identity else None,
    )
