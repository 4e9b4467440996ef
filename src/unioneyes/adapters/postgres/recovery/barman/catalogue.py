"""Base backups in Barman's catalogue: asked for, compared with what the server sent, and laid out by Barman itself."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from pydantic import SecretStr, TypeAdapter, ValidationError

from unioneyes.adapters.postgres.connections import connection, sql
from unioneyes.adapters.postgres.privileges import take_over
from unioneyes.adapters.postgres.recovery.barman.documents import DONE, Checks, Detail, Listed, Server, spoken
from unioneyes.adapters.postgres.recovery.barman.log import BarmanLog
from unioneyes.adapters.postgres.recovery.barman.program import Barman, BarmanRefused
from unioneyes.adapters.postgres.recovery.barman.taking import Taking
from unioneyes.adapters.postgres.recovery.bases import INCREMENTAL_SINCE, NAMES, major, read_tables
from unioneyes.adapters.postgres.recovery.catalogue import Keeping, Tables
from unioneyes.adapters.postgres.recovery.checksums import LIST, Listing, read_listing, require_unbroken
from unioneyes.kernel.fencing import Fence
from unioneyes.kernel.files import replace_file
from unioneyes.kernel.problems import BadInput
from unioneyes.ports.recovery import BaseBackup, BaseBroken, BaseFailed, KeptBy, LogFault, NoParent, NoSuchBase, Pruned, RecoveryFailed, WalMode

_TURN_LIMIT = timedelta(hours=4)
_LAID_OUT_WITHIN = timedelta(hours=4)
_LOOK_LIMIT = timedelta(seconds=30)
_UNANSWERED = "postgresql"
"""The item of `barman check` that fails where the server does not answer: what else fails then follows from it."""
_TABLES = TypeAdapter(dict[str, str])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """The base backups that are done, by Barman's own identifiers."""

    details: Mapping[str, Detail]
    names: Mapping[str, str]
    """Those that no other one has, too."""

    def name(self, backup: str) -> str:
        """Return what it is called; its identifier where it has no name of its own."""
        return self.names.get(backup, backup)

    def id(self, name: str) -> str:
        """Return the identifier of the one of that name. Raises: NoSuchBase."""
        found = next((backup for backup in self.details if name in {backup, self.names.get(backup)}), None)
        if found is None:
            newest = ", ".join(sorted(self.details, reverse=True)[:5]) or "none"
            raise NoSuchBase(what=f"Barman has no base backup called {name!r} that is done", remedy=f"the newest: {newest}")
        return found

    def detail(self, name: str) -> Detail:
        """Return what is known of it. Raises: NoSuchBase."""
        return self.details[self.id(name)]


@dataclass(frozen=True, slots=True, kw_only=True)
class BarmanCatalogue:
    """Implements `Catalogue`. A base backup is called by the name that it was given, and by Barman's own identifier where it has none of its own."""

    barman: Barman
    log: BarmanLog
    database_url: SecretStr
    """Of a role that comes into the operated database: which file each table has is written down with each base backup that is made from here."""
    folder: Path
    """Ours: for the scratch servers' needs, and for what was written down."""
    window: timedelta
    log_within: timedelta = timedelta(minutes=5)
    """How long the log of a base backup may take to be archived."""
    _listings: dict[str, Listing | None] = field(default_factory=dict, repr=False, compare=False)

    @property
    def whole(self) -> bool:
        """False: Barman keeps the log apart from the files."""
        return False

    def bases(self) -> tuple[BaseBackup, ...]:
        """Return every base backup that is done, newest first. Raises: CatalogueUnavailable."""
        known = self._known()
        shown = (self._shown(backup, known) for backup in known.details)
        return tuple(sorted(shown, key=lambda each: (each.ended_at, each.name), reverse=True))

    def needed(self) -> int:
        """Return the bytes that a recovery from the newest one takes."""
        newest = max(self._known().details.values(), key=lambda each: each.base.end_time, default=None)
        return (newest.cluster_size_bytes or newest.base.backup_size_bytes) if newest else 0

    def keeping(self, *, faults: bool) -> Keeping:
        """Return how Barman keeps the log, and what it finds wrong. Raises: CatalogueUnavailable."""
        settings, checks = self.barman.settings(), self.barman.checks() if faults else Checks(items={})
        failed = {} if _UNANSWERED in checks.failed else checks.failed
        return Keeping(
            mode=_mode(settings),
            receiver=settings.streaming_archiver_name if settings.streaming_archiver else None,
            slot=settings.slot_name,
            window=self.window,
            kept_by=self._kept_by(settings, checks, half=tuple(each for each in self.barman.backups() if each.status != DONE) if faults else ()),
            faults=tuple(self._fault(name, check.hint) for name, check in failed.items()),
        )

    def tables(self, name: str) -> Tables | None:
        """Return what was written down of the tables at a base backup; None where nothing was."""
        try:
            document = json.loads(self._noted(self._known().id(name)).read_bytes())
            return Tables(files=_TABLES.validate_python(document["tables"]), since=str(document["since"]))
        except (OSError, ValueError, KeyError, TypeError, ValidationError):
            return None

    def note(self, name: str, tables: Tables) -> None:
        """It is written down, for the next who asks."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        replace_file(self._noted(self._known().id(name)), json.dumps({"since": tables.since, "tables": dict(tables.files)}, indent=2) + "\n")

    def take(self, name: str, *, incremental: bool) -> BaseBackup:
        """A base backup called `name` exists, and all of its log. Raises: BaseFailed, NoParent, DatabaseUnavailable, BadInput, CatalogueUnavailable."""
        if not re.fullmatch(NAMES, name):
            raise BadInput(what=f"{name!r} is no name for a base backup", remedy="use letters, digits, _ and -, as in base_20260209_020000")
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with Fence(self.folder / "bases.lock").entered(within=_TURN_LIMIT):
            taking = Taking(barman=self.barman, name=name, log_within=self.log_within)
            if not taking.made():
                self._require_possible(incremental=incremental)
                taking.take(self._since() if incremental else ())
                self.note(name, self._live_tables())
        known = self._known()
        return self._shown(known.id(name), known)

    def verify(self, name: str) -> BaseBackup:
        """Return the base backup once each file of it, and of those it holds the changes since, is what the server sent, where its list stands there.

        What Barman compressed, encrypted, or copied file by file is not compared. Raises: BaseBroken, NoSuchBase.
        """
        known, settings = self._known(), self.barman.settings()
        at: str | None = known.id(name)
        while at is not None:
            detail = known.details.get(at)
            if detail is None:
                raise BaseBroken(what=f"{name} holds the changes since {at}, which is gone", remedy="make a whole one: ue backup base; then choose that")
            if detail.plain and (_data(settings, at) / LIST).exists():
                require_unbroken(_data(settings, at), called=known.name(at))
            at = detail.place.parent_backup_id
        return self._shown(known.id(name), known)

    def lay_out(self, name: str, into: Path) -> None:
        """A data folder holds the files of the base backup, put together by Barman. Raises: RecoveryFailed, NoSuchBase."""
        detail = self._known().detail(name)
        if detail.tablespaces:
            raise RecoveryFailed(
                what=f"{name} has tablespaces of its own, which Barman puts back where the live server has them",
                remedy="use barman restore --tablespace NAME:FOLDER by hand",
            )
        try:
            self.barman.do(*self._laid_out_by(detail, into), within=_LAID_OUT_WITHIN)
        except BarmanRefused as refused:
            raise RecoveryFailed(what=refused.what, remedy=f"Barman needs rsync here, and its own configuration: {refused.remedy}") from None
        take_over(into)

    def prunable(self) -> Pruned:
        """Return nothing: Barman removes what its retention policy needs no more."""
        settings = self.barman.settings()
        return Pruned(bases=(), segments=0, bytes=0, kept_by=self._kept_by(settings, Checks(items={}), half=()))

    def prune(self) -> Pruned:
        """Nothing was removed: see `prunable`."""
        return self.prunable()

    def describe_take(self, name: str, *, incremental: bool) -> tuple[str, ...]:
        """Return the command that a person would type for the same."""
        parent = self._since() if incremental else ()
        return (self.barman.spoken("backup", "--name", name, "--wait", "--immediate-checkpoint", *parent, self.barman.server),)

    def describe_lay_out(self, name: str, into: Path) -> tuple[str, ...]:
        """Return the command that a person would type for the same."""
        return (self.barman.spoken(*self._laid_out_by(self._known().detail(name), into)),)

    def describe_prune(self) -> tuple[str, ...]:
        """Return what Barman does itself."""
        retention = self.barman.settings().retention_policy
        return (f"# {self.barman.spoken('cron')}: {f'Barman removes what is older than its {retention}' if retention else 'Barman removes nothing by itself'}",)

    def _require_possible(self, *, incremental: bool) -> None:
        """Raises: NoParent, BaseFailed, DatabaseUnavailable."""
        with connection(self.database_url, name="ue-base", statement_limit=_LOOK_LIMIT) as session:
            row = session.execute(sql("recovery_source")).fetchone()
        version, summarized, tablespaces = (row[1], row[3], row[4]) if row else ("0", False, 0)
        if tablespaces:
            raise BaseFailed(what="the server has tablespaces of its own, whose places a copy can't have", remedy="use barman backup by hand")
        if incremental and (major(version) < INCREMENTAL_SINCE or not summarized):
            why = f"PostgreSQL {version} can't" if major(version) < INCREMENTAL_SINCE else "summarize_wal is off there"
            raise NoParent(what=f"the server does not tell what changed since {self._newest().name}: {why}", remedy="make a whole one: ue backup base")

    def _since(self) -> tuple[str, str]:
        """Return how Barman is told what an incremental one is on: the newest there is. Raises: NoParent."""
        return "--incremental", self._known().id(self._newest().name)

    def _newest(self) -> BaseBackup:
        newest = next(iter(self.bases()), None)
        if newest is None:
            raise NoParent(what="there is no base backup that this one could hold the changes since", remedy="make a whole one first: ue backup base")
        return newest

    def _live_tables(self) -> Tables:
        with connection(self.database_url, name="ue-base", statement_limit=_LOOK_LIMIT) as session:
            row = session.execute(sql("recovery_source")).fetchone()
            return Tables(files=read_tables(session), since=row[2] if row else "0/0")

    def _known(self) -> _Known:
        """Return what is done. Raises: CatalogueUnavailable."""
        done = [each for each in self.barman.backups() if each.status == DONE]
        named = [each.backup_name for each in done]
        return _Known(
            details={each.backup_id: self.barman.detail(each.backup_id) for each in done},
            names={each.backup_id: each.backup_name for each in done if each.backup_name and named.count(each.backup_name) == 1},
        )

    def _shown(self, backup: str, known: _Known) -> BaseBackup:
        detail, settings = known.details[backup], self.barman.settings()
        base, parent = detail.base, detail.place.parent_backup_id
        if backup not in self._listings:
            self._listings[backup] = read_listing(_data(settings, backup)) if detail.plain else None
        listing = self._listings[backup]
        return BaseBackup(
            name=known.name(backup),
            path=_data(settings, backup),
            parent=known.name(parent) if parent else None,
            started_at=base.begin_time,
            ended_at=base.end_time,
            took=base.end_time - base.begin_time,
            bytes=base.backup_size_bytes,
            files=listing.files if listing else None,
            timeline=base.timeline,
            start_lsn=base.begin_lsn,
            end_lsn=base.end_lsn,
            server_version=detail.server_version,
            checksum=listing.checksum if listing else None,
        )

    def _laid_out_by(self, detail: Detail, into: Path) -> tuple[str, ...]:
        beside = ("--staging-path", str(into.with_name("staging")), "--staging-location", "local")
        unpacked = beside if detail.place.parent_backup_id or not detail.plain else ()
        return ("restore", "--get-wal", *unpacked, self.barman.server, detail.backup_id, str(into))

    def _noted(self, backup: str) -> Path:
        return self.folder / f"{self.barman.server}-{backup}.json"

    def _kept_by(self, settings: Server, checks: Checks, *, half: tuple[Listed, ...]) -> KeptBy:
        left = (f"{each.backup_name or each.backup_id} is {each.status}" for each in half)
        return KeptBy(
            program=f"Barman {self.barman.version()}", server=self.barman.server, retention=settings.retention_policy, complaints=(*checks.complaints, *left)
        )

    def _fault(self, item: str, hint: str) -> LogFault:
        said = f" ({hint})" if hint else ""
        return LogFault(
            key=f"barman-{item}",
            what=f"Barman's check of {self.barman.server} fails: {spoken(item)}{said}",
            remedy=self.barman.spoken("check", self.barman.server),
            stays=False,
        )


def _mode(settings: Server) -> WalMode:
    if settings.streaming_archiver:
        return WalMode.RECEIVE
    return WalMode.ARCHIVED if settings.archiver else WalMode.NONE


def _data(settings: Server, backup: str) -> Path:
    return Path(settings.basebackups_directory) / backup / "data"
