"""The second witness: the bucket that `[audit.s3]` names, made and begun; and what it keeps."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from unioneyes.environments.model import RemoteCheckpoints
from unioneyes.environments.settings import AuditSettings, S3Settings, SettingsRefused
from unioneyes.kernel.files import exposed, replace_file
from unioneyes.kernel.problems import BadInput, Refused
from unioneyes.ports.witness import Witness

if TYPE_CHECKING:
    from unioneyes.adapters.s3 import CheckpointObjects

_ADDRESS = re.compile(r"s3://(?P<bucket>[^/]+)/(?P<prefix>.*)")
_MODES: dict[str, Literal["COMPLIANCE", "GOVERNANCE"]] = {"compliance": "COMPLIANCE", "governance": "GOVERNANCE"}


def build_remote(settings: AuditSettings) -> CheckpointObjects | None:
    """Return the object store that the settings name; nothing is asked of it yet. Raises: SettingsRefused, StoreMisconfigured, PackageMissing."""
    return _objects(settings.s3, variables=False) if settings.s3 else None  # the server that a supervisor starts would not have them


def remote_checkpoints(settings: AuditSettings) -> RemoteCheckpoints | None:
    """Return all that the second witness keeps; None where there is none.

    Raises: SettingsRefused, StoreMisconfigured, PackageMissing, WitnessUnavailable, WitnessChanged.
    """
    remote = build_remote(settings)
    return None if remote is None else RemoteCheckpoints(place=remote.place, checkpoints=remote.all())


def checkpoints_at(address: str) -> tuple[str, ...]:
    """Return the checkpoints below `s3://BUCKET/PREFIX`, read as whoever the standard chain says.

    Raises: StoreMisconfigured, PackageMissing, WitnessUnavailable, WitnessChanged.
    """
    found = _ADDRESS.fullmatch(address)
    if found is None:
        raise MalformedAddress(what=f"{address!r} names no place in an object store", remedy="give s3://BUCKET/PREFIX/")
    return _objects(S3Settings.model_construct(bucket=found["bucket"], prefix=found["prefix"]), variables=True).all()


def begin_remote(remote: CheckpointObjects | None, first: Witness, record: Path) -> None:
    """The second witness keeps what the log began with, and `record` says where: from then on, one that keeps nothing has lost something.

    Where that was done before, it is not asked: it may be away. Raises: RemoteWitnessMoved, ForeignCheckpoints, WitnessUnavailable, WitnessChanged.
    """
    place = remote.place if remote else None
    begun = record.read_text().strip() if record.exists() else None
    if begun == place:
        return
    if remote is None or begun is not None:
        raise RemoteWitnessMoved(
            what=f"the audit log's checkpoints are kept at {begun} too, and environment.toml names {place or 'no [audit.s3]'}",
            remedy=f"correct it; or, to leave what is there as it is and go on with what the file names: rm {record}",
        )
    kept, theirs = first.all(), remote.latest()
    if theirs is None:
        remote.keep(kept[0])
    elif theirs not in kept:
        raise ForeignCheckpoints(what=f"{remote.place} holds checkpoints of another log", remedy="name another [audit.s3] prefix in environment.toml")
    remote.require_write_once(kept[0])
    replace_file(record, f"{remote.place}\n")


def _objects(settings: S3Settings, *, variables: bool) -> CheckpointObjects:
    try:
        from unioneyes.adapters.s3 import CheckpointObjects, Retention, s3_client  # noqa: PLC0415 - most environments have no bucket, and no boto3
    except ImportError as error:
        raise PackageMissing(what=f"an object store takes a package that is not installed: {error.name}", remedy="pip install 'unioneyes[s3]'") from None
    file = Path(settings.credentials_file).expanduser() if settings.credentials_file else None
    if file is not None:
        require_private(file, "[audit.s3]")
    retention = settings.retention
    return CheckpointObjects(
        s3_client(endpoint_url=settings.endpoint_url, region=settings.region, profile=settings.profile, credentials_file=file, variables=variables),
        bucket=settings.bucket,
        prefix=settings.prefix,
        retention=Retention(mode=_MODES[retention.mode], period=timedelta(days=retention.days)) if retention else None,
    )


def require_private(file: Path, section: str) -> None:
    """Return where nobody else reads or changes a file with credentials that `section` names. Raises: SettingsRefused."""
    try:
        how = exposed(file.stat())
    except OSError as error:
        raise SettingsRefused(what=f"{section} credentials_file: {file}: {error.strerror}", remedy="correct it, or leave it out") from None
    if how:
        remedy = f"chmod 600 {file}, and let it belong to the server's user; renew what it holds if others read it"
        raise SettingsRefused(what=f"{section} credentials_file: {file} can be read or changed by others: {how}", remedy=remedy)


class MalformedAddress(BadInput):
    """What was given names no place in an object store."""


class PackageMissing(BadInput):
    """The settings ask for what this installation has not."""


class ForeignCheckpoints(Refused):
    """Where the checkpoints would be kept, there are others."""


class RemoteWitnessMoved(Refused):
    """The settings name another place than the one where the checkpoints were kept up to now."""
