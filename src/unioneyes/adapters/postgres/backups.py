"""Backups that count because they were restored and compared, in the dump's own snapshot."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict
from pydantic import SecretStr

from unioneyes.adapters.postgres.archive import Archive, NotUnpacked
from unioneyes.adapters.postgres.bootstrap import OWNER, SERVICE
from unioneyes.adapters.postgres.connections import connection
from unioneyes.adapters.postgres.dumping import FINGERPRINT_LIMIT, UNCOMPRESSED, Dumping, Restoring, counting
from unioneyes.adapters.postgres.encoding import LEVEL, fingerprint
from unioneyes.adapters.postgres.fingerprint import differences, summing_up, take_fingerprint
from unioneyes.adapters.postgres.manifest import Manifest, SchemaHead, manifest_file
from unioneyes.adapters.postgres.programs import ProgramFailed, program, run_program
from unioneyes.adapters.postgres.scratch import ScratchCopy, ScratchServers
from unioneyes.adapters.postgres.server import SUPERUSER, ServerNotReady
from unioneyes.adapters.postgres.trouble import of_the_machine, room_at
from unioneyes.kernel.clock import now
from unioneyes.ports.backup_store import StoreFull
from unioneyes.ports.database import (
    Backup,
    BackupFailed,
    BackupState,
    BackupUnproven,
    BackupVerified,
    DatabaseUnavailable,
    NoSuchBackup,
    NotProvable,
    Room,
    Told,
    require_backup_name,
    unheard,
)

_SIZE_LIMIT = timedelta(seconds=10)
_VERSION_LIMIT = timedelta(seconds=10)
_LACKING = re.compile(r'extension "([^"]+)" is not available')
_LOCK_WAIT = timedelta(seconds=10)
"""How long a dump waits for a table that somebody has locked away."""


class VerifiedBackups:
    """Implements the port `Backups`: custom-format dumps, compressed, each with its manifest. Close it, or its scratch servers end with the process."""

    def __init__(
        self,
        *,
        archive: Archive,
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
        self._archive = archive
        self._database_url = database_url
        self._dumping = Dumping(archive=archive, database_url=database_url, lock_wait=lock_wait)
        self._migration_names = migration_names
        self._owner = owner
        self._service = service
        self._lock_wait = lock_wait
        self._scratch = ScratchServers(scratch_folder, owner=owner, service=service, reached_at=reached_at)
        self._scratch.sweep()

    def close(self) -> None:
        """The scratch servers that this process started are gone."""
        self._scratch.close()

    @property
    def place(self) -> str:
        """Where new ones are kept, for people."""
        return self._archive.store.place

    def create(self, name: str, *, meanwhile: Told = unheard) -> Backup:
        """A backup called `name` exists, with a self-describing manifest beside it. Made already: returned as it is.

        Raises: BackupFailed (what was written of it is removed), DatabaseUnavailable, StoreUnavailable, BadInput.
        """
        require_backup_name(name)
        with self._scratch.turn(name):
            made = self._archive.manifest(name) or self._make(name, meanwhile)
        return self._shown(made)

    def describe_create(self, name: str) -> tuple[str, ...]:
        """Return the commands that a person would type for the same. Source: Production Deployment Steps, 1, "Backup database"."""
        file = self._archive.store.address(self._archive.file(name))
        encrypted = "".join(f" -r {each}" for each in self._archive.recipients)
        through = f"zstd -{LEVEL}{f' | age{encrypted}' if encrypted else ''}"
        return (f"pg_dump {self._address()} -Fc {UNCOMPRESSED} | {through} > {file}", f"sha256sum {file}")

    def require_provable(self) -> None:
        """Return where a backup that is made now could be proven here. Raises: NotProvable."""
        self._archive.require_provable()

    def verify(self, name: str, *, meanwhile: Told = unheard) -> BackupVerified:
        """The backup is proven: restored anew into a scratch server, which is left running, and every table compared.

        Raises: BackupUnproven (with what differs), NotProvable, NoSuchBackup, StoreUnavailable.
        """
        began = time.monotonic()
        with self._scratch.turn(name):
            manifest = self._manifest(name)
            try:
                self._prove(manifest, meanwhile)
            except BaseException as ended:
                self._scratch.discard(name)
                if isinstance(ended, BackupUnproven):
                    self._archive.note(manifest.model_copy(update={"state": BackupState.FAILED, "verified_at": now(), "wrong": ended.what}))
                raise
            took = timedelta(seconds=time.monotonic() - began)
            proven = {"state": BackupState.VERIFIED, "verified_in": took, "verified_at": now(), "wrong": None}
            self._archive.note(manifest.model_copy(update=proven))
        return BackupVerified(name=name, tables=len(manifest.fingerprint.tables), rows=manifest.fingerprint.rows, took=took)

    def describe_verify(self, name: str) -> tuple[str, ...]:
        """Return the commands that a person would type for the same. Raises: NotProvable."""
        made = self._archive.manifest(name)
        if made:
            self._archive.require_readable(made)
        else:
            self._archive.require_provable()
        file = made.file if made else self._archive.file(name)
        database = conninfo_to_dict(self._database_url.get_secret_value())["dbname"]
        return (
            f"sha256sum {self._archive.store.address(file)}   # as in {manifest_file(name)}",
            "initdb -D scratch -U postgres && pg_ctl -D scratch -w -o '-c listen_addresses= -k /tmp' start",
            f"createdb -h /tmp -U postgres {database}",
            f"{self._archive.opened(file)} > {name}.dump",
            f"pg_restore -h /tmp -U postgres -d {database} --exit-on-error --jobs=2 {name}.dump",
            f"PGTZ=UTC psql -h /tmp -U postgres -d {database} -c '{summing_up(b'TABLE', b'SUMMED').decode()}'   # for each table in {manifest_file(name)}",
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
        """Return every backup, newest first. A dump without a manifest is none. Raises: StoreUnavailable."""
        return tuple(map(self._shown, self._archive.all()))

    def room(self) -> Room:
        """Return how much room the backups' place has, for a dump of the database. Raises: DatabaseUnavailable, StoreUnavailable."""
        with connection(self._database_url, name="ue-backup", statement_limit=_SIZE_LIMIT) as session:
            row = session.execute("SELECT pg_database_size(current_database())").fetchone()
        return Room(needed=int(row[0]) if row else 0, free=self._archive.store.free())

    def delete(self, name: str) -> None:
        """The backup is gone, its manifest first. Gone already: nothing changes. Raises: StoreUnavailable, BadInput."""
        require_backup_name(name)
        with self._scratch.turn(name):
            self._archive.delete(name)

    def describe_delete(self, name: str) -> tuple[str, ...]:
        """Return the commands that a person would type for the same. Source: Backup and Restore, "Retention: 30 days"."""
        made = self._archive.manifest(name)
        files = (manifest_file(name), made.file if made else self._archive.file(name))
        remove = "aws s3 rm" if self._archive.store.place.startswith("s3://") else "rm"
        return tuple(f"{remove} {self._archive.store.address(file)}" for file in files)

    def _make(self, name: str, meanwhile: Told) -> Manifest:
        """The dump and its manifest stand in the store, or nothing of them does."""
        try:
            manifest = self._take(name, meanwhile)
            self._archive.note(manifest)
        except BaseException as trouble:
            self._archive.store.delete(self._archive.file(name))
            if isinstance(trouble, StoreFull):
                raise BackupFailed(what=trouble.what, remedy=trouble.remedy) from None
            raise
        return manifest

    def _take(self, name: str, meanwhile: Told) -> Manifest:
        """The dump stands in the store. Return what is to be said of it."""
        began, taken_at = time.monotonic(), now()
        with self._dumping.source() as source:
            kept = self._dumping.dump(source, name, meanwhile)
        head = source.schema_head
        return Manifest(
            name=name,
            taken_at=taken_at,
            took=timedelta(seconds=time.monotonic() - began),
            file=kept.file,
            compression="zstd",
            recipients=tuple(map(fingerprint, self._archive.recipients)),
            how=self._archive.how(name),
            bytes=kept.bytes,
            dump_bytes=kept.dump_bytes,
            sha256=kept.sha256,
            database=source.database,
            encoding=source.encoding,
            roles=source.roles,
            server_version=source.server_version,
            written_by=run_program((program("pg_dump"), "--version"), within=_VERSION_LIMIT).stdout.strip(),
            program=f"unioneyes {version('unioneyes')}",
            wal_position=source.wal_position,
            schema_head=SchemaHead(sha256=head, tag=self._migration_names().get(head)) if head else None,
            fingerprint=source.fingerprint.result(),
        )

    def _prove(self, manifest: Manifest, meanwhile: Told) -> None:
        """The dump is the one that the manifest speaks of, and holds what the source held. Raises: BackupUnproven."""
        copy = self._restore(manifest, meanwhile)
        with (
            connection(copy.url(SUPERUSER), name="ue-verify", statement_limit=FINGERPRINT_LIMIT) as session,
            session.transaction(),
        ):
            restored = take_fingerprint(session, lock_wait=self._lock_wait, like=manifest.fingerprint, seen=counting(meanwhile, "compared"))
        found = differences(manifest.fingerprint, restored)
        if found:
            raise BackupUnproven(what=f"{manifest.name} was restored, but {'; '.join(found)}", remedy="take another backup; do not rely on this one")

    def _restore(self, manifest: Manifest, meanwhile: Told) -> ScratchCopy:
        restoring = Restoring(of=len(manifest.fingerprint.tables), meanwhile=meanwhile)
        try:
            return self._scratch.restore(manifest, self._archive.plain(manifest, meanwhile=meanwhile), heard=restoring.heard)
        except BaseException as ended:
            room = "" if isinstance(ended, NotUnpacked) else room_at(self._archive.work)
            self._scratch.discard(manifest.name)
            if isinstance(ended, ProgramFailed) and (lacking := _LACKING.search(ended.what)):
                raise NotProvable(
                    what=f"{manifest.name} needs the extension {lacking[1]}, which the scratch server has not: it may be good, and can't be proven here",
                    remedy="verify it on a machine whose PostgreSQL has the extension",
                ) from None
            if isinstance(ended, NotUnpacked | ServerNotReady | DatabaseUnavailable) or (isinstance(ended, ProgramFailed) and of_the_machine(ended.what)):
                raise NotProvable(
                    what=f"{manifest.name} could not be restored here, which says nothing of it: {ended.what}{room}",
                    remedy=f"look at this machine's disk, memory and load; then ue backup verify {manifest.name}",
                ) from None
            if isinstance(ended, ProgramFailed):
                raise BackupUnproven(
                    what=f"{manifest.name} could not be restored: {ended.what}", remedy="take another backup; do not rely on this one"
                ) from None
            raise

    def _copy(self, name: str) -> ScratchCopy:
        with self._scratch.turn(name):
            manifest = self._manifest(name)
            return self._scratch.running(name, dump=manifest.sha256) or self._restore(manifest, unheard)

    def _manifest(self, name: str) -> Manifest:
        require_backup_name(name)
        manifest = self._archive.manifest(name)
        if manifest is None:
            known = ", ".join(backup.name for backup in self.all()[:5]) or "none"
            raise NoSuchBackup(what=f"there is no backup called {name!r}", remedy=f"the newest: {known}")
        return manifest

    def _shown(self, manifest: Manifest) -> Backup:
        return manifest.backup(self._archive.store.address(manifest.file))

    def _address(self) -> str:
        address = conninfo_to_dict(self._database_url.get_secret_value())
        return f"-h {address['host']} -p {address.get('port', 5432)} -U {address['user']} -d {address['dbname']}"
