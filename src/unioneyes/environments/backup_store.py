"""Where backups are kept: the folder or the bucket that `[backup]` names, and the keys that they are encrypted by."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from unioneyes.adapters.files import BackupFolder
from unioneyes.adapters.postgres.archive import Archive
from unioneyes.adapters.postgres.encoding import require_recipient
from unioneyes.environments.backup_settings import BackupSettings
from unioneyes.environments.remote_witness import PackageMissing, require_private
from unioneyes.environments.secrets import resolve_at
from unioneyes.ports.backup_store import BackupStore
from unioneyes.ports.database import Retention

_SCHEME = "s3://"


def build_archive(settings: BackupSettings, *, folder: Path, work: Path) -> Archive:
    """Return the archive that the settings name; in `folder` where they name no place. Nothing is asked of it yet.

    Raises: SettingsRefused, BadKey, StoreMisconfigured, PackageMissing.
    """
    return Archive(
        store=_bucket(settings) if (settings.to or "").startswith(_SCHEME) else BackupFolder(Path(settings.to).expanduser() if settings.to else folder),
        work=work,
        recipients=tuple(map(require_recipient, settings.recipients)),
        identity=partial(resolve_at, "backup.identity", settings.identity) if settings.identity else None,
    )


def retention_of(settings: BackupSettings) -> Retention:
    """Return how long backups are kept."""
    return Retention(keep=settings.keep, at_least=settings.keep_at_least, keep_failed=settings.keep_failed)


def _bucket(settings: BackupSettings) -> BackupStore:
    try:
        from unioneyes.adapters.s3 import BackupObjects, s3_client  # noqa: PLC0415 - most environments have no bucket, and no boto3
        from unioneyes.adapters.s3.backup_objects import ANSWER_SECONDS, ATTEMPTS  # noqa: PLC0415 - the same
    except ImportError as error:
        raise PackageMissing(what=f"an object store takes a package that is not installed: {error.name}", remedy="pip install 'unioneyes[s3]'") from None
    file = Path(settings.credentials_file).expanduser() if settings.credentials_file else None
    if file is not None:
        require_private(file, "[backup]")
    bucket, _, prefix = (settings.to or "").removeprefix(_SCHEME).partition("/")
    client = s3_client(
        endpoint_url=settings.endpoint_url,
        region=settings.region,
        profile=settings.profile,
        credentials_file=file,
        variables=False,  # the server that a supervisor starts would not have them
        answer_seconds=ANSWER_SECONDS,
        attempts=ATTEMPTS,
    )
    return BackupObjects(client, bucket=bucket, prefix=f"{prefix.strip('/')}/" if prefix.strip("/") else "")
