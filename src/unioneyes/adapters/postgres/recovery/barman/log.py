"""The log in Barman's catalogue: what it archived, what was handed over and waits for that, and what it receives at this moment."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from tempfile import mkdtemp

from unioneyes.adapters.postgres.recovery.archive import PARTIAL, kept_of
from unioneyes.adapters.postgres.recovery.barman.documents import DONE
from unioneyes.adapters.postgres.recovery.barman.program import Barman, BarmanRefused
from unioneyes.adapters.postgres.recovery.positions import SEGMENT_BYTES, Segment
from unioneyes.adapters.postgres.recovery.reach import Kept
from unioneyes.ports.recovery import CatalogueUnavailable, RecoveryFailed

_FETCHED_WITHIN = timedelta(minutes=5)
_MAGIC = range(0xD000, 0xD200)
"""How each page of the log begins, in every version of PostgreSQL that there is."""
_HASHED = 16
"""By so many letters of its name, a segment's folder in the archive is called."""
_HELD = "log-"
_HISTORY = ".history"


@dataclass(frozen=True, slots=True, kw_only=True)
class BarmanLog:
    """Implements `Log`: files that stand there as PostgreSQL wrote them are read in their place, any other one is fetched by `barman get-wal`.

    Where the log is compressed or encrypted, a recovery takes as much more room as the part of it that it reads.
    """

    barman: Barman
    folder: Path
    """Ours, for what is fetched."""
    _size: list[int] = field(default_factory=list, repr=False, compare=False)

    @property
    def size(self) -> int:
        """Bytes of one segment, as a base backup says that is done."""
        if not self._size:
            done = next((each for each in self.barman.backups() if each.status == DONE), None)
            if done is None:
                return SEGMENT_BYTES
            self._size.append(self.barman.detail(done.backup_id).segment_bytes)
        return self._size[0]

    def kept(self) -> Kept:
        """Return what is there. Raises: CatalogueUnavailable."""
        files = self._files()
        histories = {name: path for name, path in files.items() if name.endswith(_HISTORY)}
        plain = {name: path.read_text(errors="replace") for name, path in histories.items() if _is_text(path)}
        if missing := histories.keys() - plain.keys():
            with self._fetched(missing) as folder:
                plain |= {name: (folder / name).read_text() for name in missing}
        return kept_of(files, plain, size=self.size)

    def bytes(self) -> int:
        """Return how much room it takes."""
        return sum(path.stat().st_blocks * 512 for path in self._files().values())

    @contextmanager
    def held(self, segments: Iterable[Segment]) -> Iterator[Path]:
        """Give a folder in which these segments stand under their names."""
        size, archived = self.size, self._archived()
        names = {segment.name(size=size) for segment in segments}
        plain = {name for name in names if (path := archived.get(name)) and _is_log(path, size)}
        with self._fetched(names - plain) as folder:
            for name in plain:
                (folder / name).symlink_to(archived[name])
            yield folder

    @contextmanager
    def restoring(self, segments: Iterable[Segment]) -> Iterator[str]:
        """Give the command by which PostgreSQL takes these segments, and the history of timelines: it may run as a user whom Barman refuses."""
        histories = {name for name in self._files() if name.endswith(_HISTORY)}
        with self.held(segments) as folder, self._fetched(histories) as told:
            for name in histories:
                (folder / name).symlink_to(told / name)
            yield f"cp {shlex.quote(str(folder)).replace('%', '%%')}/%f %p"

    def describe_restoring(self) -> str:
        """Return the command that a person would give PostgreSQL for the same."""
        return f"{self.barman.spoken('get-wal', '-P', self.barman.server).replace('%', '%%')} %f > %p"

    def sweep(self) -> None:
        """What crashed processes had fetched is gone; what a living one uses is left alone."""
        for left in self.folder.glob(f"{_HELD}*"):
            process = left.name.removeprefix(_HELD).partition("-")[0]
            if not (process.isdigit() and Path("/proc", process).exists()):
                shutil.rmtree(left, ignore_errors=True)

    @contextmanager
    def _fetched(self, names: Iterable[str]) -> Iterator[Path]:
        """Give a folder with these files as PostgreSQL wrote them. Raises: RecoveryFailed."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder = Path(mkdtemp(prefix=f"{_HELD}{os.getpid()}-", dir=self.folder))
        try:
            for name in sorted(names):
                try:
                    self.barman.do("get-wal", "-P", "-o", str(folder), self.barman.server, name, within=_FETCHED_WITHIN)
                except BarmanRefused as refused:
                    raise RecoveryFailed(what=f"{name} of the log can't be had: {refused.what}", remedy=refused.remedy) from None
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _files(self) -> dict[str, Path]:
        """Return what is there, by name; what is in several places as it was archived."""
        settings = self.barman.settings()
        waiting = (path for folder in (settings.streaming_wals_directory, settings.incoming_wals_directory) for path in _in(Path(folder)))
        return {path.name: path for path in waiting} | self._archived()

    def _archived(self) -> dict[str, Path]:
        folder = Path(self.barman.settings().wals_directory)
        if not folder.is_dir():
            if not self.barman.backups():
                return {}  # it makes its folders with the first
            raise CatalogueUnavailable(what=f"Barman keeps the log in {folder}, which is not on this machine", remedy="run ue where Barman's catalogue is")
        within = (path for each in folder.iterdir() if len(each.name) == _HASHED and each.is_dir() for path in _in(each))
        return {path.name: path for path in (*_in(folder), *within)}


def _in(folder: Path) -> tuple[Path, ...]:
    """Return the files of a folder that are of the log: neither its list of them, nor what is being written there."""
    return tuple(path for path in folder.iterdir() if _is_named(path.name)) if folder.is_dir() else ()


def _is_named(name: str) -> bool:
    return name.endswith(_HISTORY) or Segment.read(name.removesuffix(PARTIAL), size=SEGMENT_BYTES) is not None


def _is_log(path: Path, size: int) -> bool:
    """Return whether a file is a segment as PostgreSQL wrote it: neither compressed nor encrypted."""
    with path.open("rb") as file:
        return os.fstat(file.fileno()).st_size == size and int.from_bytes(file.read(2), "little") in _MAGIC


def _is_text(path: Path) -> bool:
    return path.read_bytes()[:1].isdigit()
