"""Backups that count because they were restored and compared, in the dump's own snapshot."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict
from pydantic import SecretStr

from unioneyes.adapters.postgres.bootstrap import OWNER, SERVICE
from unioneyes.adapters.postgres.connections import connection, shown, sql
from unioneyes.adapters.postgres.fingerprint import Fingerprint, differences, take_fingerprint
from unioneyes.adapters.postgres.ledger import read_ledger
from unioneyes.adapters.postgres.manifest import Manifest, SchemaHead, keep, manifest_path, read_manifest, sha256_of, write_manifest
from unioneyes.adapters.postgres.programs import ProgramFailed, program, run_program, signed_in
from unioneyes.adapters.postgres.scratch import ScratchCopy, ScratchServers
from unioneyes.adapters.postgres.server import SUPERUSER, ServerNotReady
from unioneyes.kernel.clock import now
from unioneyes.kernel.problems import BadInput
from unioneyes.kernel.units import format_bytes
from unioneyes.ports.database import Backup, BackupFailed, BackupState, BackupUnproven, BackupVerified, NoSuchBackup

_DUMP_LIMIT = timedelta(hours=1)
_FINGERPRINT_LIMIT = timedelta(minutes=30)
"""Of one table."""
_FINGERPRINT_OF_ONE = "SELECT count(*), sum(hashtextextended(t::text, 0)) FROM ONLY claims AS t"
_VERSION_LIMIT = timedelta(seconds=10)
_LOCK_WAIT = timedelta(seconds=10)
"""How long a dump waits for a table that somebody has locked away."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_COMPRESSION = "--compress=gzip:1"
"""Measured on 1 GB: less than half the time of gzip's default, and hardly larger. The wheel's pg_dump has no zstd."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """What is said of the source in the dump's own snapshot."""

    snapshot: str
    wal_position: str
    server_version: str
    database: str
    bytes: int
    roles: tuple[str, ...]
    schema_head: str | None
    fingerprint: Fingerprint


class VerifiedBackups:
    """Implements the port `Backups`: custom-format dumps in a folder, each with its manifest. Close it, or its scratch servers end with the process."""

    def __init__(
        self,
        *,
        folder: Path,
        database_url: SecretStr,
        scratch_folder: Path,
        migration_names: Callable[[], dict[str, str]],
        owner: str = OWNER,
        service: str = SERVICE,
        lock_wait: timedelta = _LOCK_WAIT,
        reached_at: str | None = None,
    ) -> None:
        """Remove what crashed processes left in `scratch_folder`, whose path is short.

        `database_url` is a role's that reads everything, past row level security. `migration_names` gives the migrations' tags by their hash.
        `reached_at` is the address of this machine's at which replicas that run elsewhere reach a restored copy.
        """
        self._folder = folder
        self._database_url = database_url
        self._migration_names = migration_names
        self._owner = owner
        self._service = service
        self._lock_wait = lock_wait
        self._scratch = ScratchServers(scratch_folder, owner=owner, service=service, reached_at=reached_at)
        self._scratch.sweep()

    def close(self) -> None:
        """The scratch servers that this process started are gone."""
        self._scratch.close()

    def create(self, name: str) -> Backup:
        """A backup called `name` exists, with a self-describing manifest beside it. Made already: returned as it is.

        Raises: BackupFailed (what was written of it is removed), DatabaseUnavailable, BadInput.
        """
        _check(name)
        with self._scratch.turn(name):
            made = read_manifest(manifest_path(self._folder, name))
            return (made or self._make(name)).backup(self._folder)

    def describe_create(self, name: str) -> tuple[str, ...]:
        """Return the commands that a person would type for the same. Source: Production Deployment Steps, 1, "Backup database"."""
        dump = self._folder / f"{name}.dump"
        return (f"pg_dump {self._address()} -Fc {_COMPRESSION} -f {dump}", f"sha256sum {dump}")

    def verify(self, name: str) -> BackupVerified:
        """The backup is proven: restored anew into a scratch server, which is left running, and every table compared.

        Raises: BackupUnproven (with what differs), NoSuchBackup.
        """
        began = time.monotonic()
        with self._scratch.turn(name):
            manifest = self._manifest(name)
            try:
                self._prove(manifest)
            except BaseException as ended:
                self._scratch.discard(name)
                if isinstance(ended, BackupUnproven):
                    write_manifest(self._folder, manifest.model_copy(update={"state": BackupState.FAILED}))
                raise
            took = timedelta(seconds=time.monotonic() - began)
            write_manifest(self._folder, manifest.model_copy(update={"state": BackupState.VERIFIED, "verified_in": took}))
        return BackupVerified(name=name, tables=len(manifest.fingerprint.tables), rows=manifest.fingerprint.rows, took=took)

    def describe_verify(self, name: str) -> tuple[str, ...]:
        """Return the commands that a person would type for the same."""
        dump = self._folder / f"{name}.dump"
        database = conninfo_to_dict(self._database_url.get_secret_value())["dbname"]
        return (
            f"sha256sum {dump}   # as in {name}.json",
            "initdb -D scratch -U postgres && pg_ctl -D scratch -w -o '-c listen_addresses= -k /tmp' start",
            f"createdb -h /tmp -U postgres {database}",
            f"pg_restore -h /tmp -U postgres -d {database} --exit-on-error --jobs=2 {dump}",
            f"psql -h /tmp -U postgres -d {database} -c '{_FINGERPRINT_OF_ONE}'   # and every other table, as in {name}.json",
        )

    def scratch_url(self, name: str) -> SecretStr:
        """Return the address of the restored copy, as the role that owns the schema; restores it when it is not running.

        Raises: BackupUnproven, NoSuchBackup.
        """
        return self._copy(name).url(self._owner)

    def scratch_service_url(self, name: str) -> SecretStr:
        """Return the address of the restored copy, as the service's own role, from where replicas run. Raises: BackupUnproven, NoSuchBackup."""
        return self._copy(name).url(self._service, elsewhere=True)

    def discard_scratch(self, name: str) -> None:
        """The restored copy is gone; the backup stays."""
        with self._scratch.turn(name):
            self._scratch.discard(name)

    def all(self) -> tuple[Backup, ...]:
        """Return every backup, newest first. A dump without a manifest is none."""
        manifests = [manifest for path in self._folder.glob("*.json") if (manifest := read_manifest(path)) is not None]
        return tuple(manifest.backup(self._folder) for manifest in sorted(manifests, key=lambda manifest: manifest.taken_at, reverse=True))

    def _make(self, name: str) -> Manifest:
        """The dump and its manifest stand in the folder, or nothing of them does."""
        dump = self._folder / f"{name}.dump"
        partial = dump.with_suffix(".dump.partial")
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            partial.unlink(missing_ok=True)  # what a killed worker left behind may still write to it
            partial.touch(mode=0o600)  # members' data
            manifest = self._take(name, partial)
            partial.replace(dump)
            write_manifest(self._folder, manifest)
        except OSError as error:
            dump.unlink(missing_ok=True)
            raise BackupFailed(what=f"{error.filename or self._folder}: {error.strerror}{self._room()}", remedy="make room, and try again") from None
        finally:
            partial.unlink(missing_ok=True)
        return manifest

    def _take(self, name: str, path: Path) -> Manifest:
        """The dump stands at `path`, on the disk. Return what is to be said of it."""
        began, taken_at = time.monotonic(), now()
        with self._source() as source:
            written_by = self._dump(source, path)
        keep(path)
        head = source.schema_head
        return Manifest(
            name=name,
            taken_at=taken_at,
            took=timedelta(seconds=time.monotonic() - began),
            file=f"{name}.dump",
            bytes=path.stat().st_size,
            sha256=sha256_of(path),
            database=source.database,
            roles=source.roles,
            server_version=source.server_version,
            written_by=written_by,
            wal_position=source.wal_position,
            schema_head=SchemaHead(sha256=head, tag=self._migration_names().get(head)) if head else None,
            fingerprint=source.fingerprint,
        )

    @contextmanager
    def _source(self) -> Iterator[_Source]:
        """Describe the source in one snapshot, which others can join until the block ends."""
        with connection(self._database_url, name="ue-backup", statement_limit=_FINGERPRINT_LIMIT) as session:
            try:
                with session.transaction():
                    session.execute(sql("backup_snapshot"))
                    yield self._describe_source(session)
            except psycopg.Error as error:
                if session.closed:
                    raise
                raise BackupFailed(what=f"the database could not be read: {error.diag.message_primary}", remedy="try again in a quiet minute") from None

    def _describe_source(self, session: psycopg.Connection) -> _Source:
        row = session.execute(sql("backup_source")).fetchone()
        if row is None:
            raise BackupFailed(what="the database says nothing about itself", remedy="look at the server's log")
        snapshot, wal_position, server_version, database, size, roles = row
        entries = read_ledger(session)
        return _Source(
            snapshot=snapshot,
            wal_position=wal_position,
            server_version=server_version,
            database=database,
            bytes=size,
            roles=tuple(roles),
            schema_head=entries[0].sha256 if entries else None,
            fingerprint=take_fingerprint(session, lock_wait=self._lock_wait),
        )

    def _dump(self, source: _Source, path: Path) -> str:
        """The dump of the source's snapshot stands at `path`. Return what wrote it."""
        lock_wait = f"--lock-wait-timeout={round(self._lock_wait.total_seconds() * 1000)}"
        argv = (program("pg_dump"), "-Fc", _COMPRESSION, "--no-password", lock_wait, f"--snapshot={source.snapshot}", "-f", str(path))
        try:
            with signed_in(self._database_url) as environment:
                run_program((*argv, "-d", shown(self._database_url)), within=_DUMP_LIMIT, environment=environment)
        except ProgramFailed as problem:
            raise BackupFailed(
                what=f"{problem.what}; the database has {format_bytes(source.bytes)}{self._room()}",
                remedy="make room, or end what holds the lock, and try again; what was written of the backup is removed",
            ) from None
        return run_program((program("pg_dump"), "--version"), within=_VERSION_LIMIT).stdout.strip()

    def _prove(self, manifest: Manifest) -> None:
        """The dump is the one that the manifest speaks of, and holds what the source held. Raises: BackupUnproven."""
        copy = self._restore(manifest)
        with (
            connection(copy.url(SUPERUSER), name="ue-verify", statement_limit=_FINGERPRINT_LIMIT) as session,
            session.transaction(),
        ):
            found = differences(manifest.fingerprint, take_fingerprint(session, lock_wait=self._lock_wait))
        if found:
            raise BackupUnproven(what=f"{manifest.name} was restored, but {'; '.join(found)}", remedy="take another backup; do not rely on this one")

    def _restore(self, manifest: Manifest) -> ScratchCopy:
        dump = self._folder / manifest.file
        if not dump.is_file() or sha256_of(dump) != manifest.sha256:
            raise BackupUnproven(what=f"{manifest.file} is missing or not the file that was written", remedy="take another backup; do not rely on this one")
        try:
            return self._scratch.restore(manifest, dump)
        except BaseException as ended:
            self._scratch.discard(manifest.name)
            if isinstance(ended, ProgramFailed | ServerNotReady):
                raise BackupUnproven(what=f"{manifest.name} could not be restored: {ended.what}", remedy=ended.remedy) from None
            raise

    def _copy(self, name: str) -> ScratchCopy:
        with self._scratch.turn(name):
            manifest = self._manifest(name)
            return self._scratch.running(name, dump=manifest.sha256) or self._restore(manifest)

    def _manifest(self, name: str) -> Manifest:
        _check(name)
        manifest = read_manifest(manifest_path(self._folder, name))
        if manifest is None:
            known = ", ".join(backup.name for backup in self.all()[:5]) or "none"
            raise NoSuchBackup(what=f"there is no backup called {name!r}", remedy=f"the newest: {known}")
        return manifest

    def _room(self) -> str:
        try:
            return f"; {self._folder} has {format_bytes(shutil.disk_usage(self._folder).free)} free"
        except OSError:
            return ""

    def _address(self) -> str:
        address = conninfo_to_dict(self._database_url.get_secret_value())
        return f"-h {address['host']} -p {address.get('port', 5432)} -U {address['user']} -d {address['dbname']}"


def _check(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise BadInput(what=f"{name!r} is no name for a backup", remedy="use letters, digits, _ . and -, as in backup_20260209_143000")


def _password(database_url: SecretStr) -> SecretStr:
    return SecretStr(str(conninfo_to_dict(database_url.get_secret_value()).get("password") or ""))
