"""Backups as files of a folder that only its owner reads. Implements `ports.backup_store.BackupStore`."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from unioneyes.kernel.files import keep_name
from unioneyes.kernel.units import format_bytes
from unioneyes.ports.backup_store import LARGEST_NOTE, NoSuchFile, Sink, Source, StoreFull, StoreUnavailable

_PARTIAL = ".partial"
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass(frozen=True, slots=True)
class BackupFolder:
    """Files of one folder."""

    folder: Path

    @property
    def place(self) -> str:
        """The folder."""
        return str(self.folder)

    def address(self, name: str) -> str:
        """Return the file's path."""
        return str(self.folder / name)

    def names(self) -> tuple[str, ...]:
        """Return the names of all whole files. Raises: StoreUnavailable."""
        try:
            return tuple(sorted(entry.name for entry in os.scandir(self.folder) if entry.is_file() and not entry.name.endswith(_PARTIAL)))
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise self._refused(error) from None

    def free(self) -> int | None:
        """Return the bytes that still fit."""
        there = next((place for place in (self.folder, *self.folder.parents) if place.exists()), None)
        try:
            return shutil.disk_usage(there).free if there else None
        except OSError:
            return None

    def note(self, name: str) -> bytes | None:
        """Return a small file; None when there is none. Raises: StoreUnavailable."""
        try:
            with (self.folder / name).open("rb") as file:
                return file.read(LARGEST_NOTE)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._refused(error) from None

    def keep_note(self, name: str, content: bytes) -> None:
        """The file holds `content`, in place of what it held. Raises: StoreUnavailable, StoreFull."""
        with self.writing(name) as sink:
            sink.write(content)

    @contextmanager
    def writing(self, name: str) -> Iterator[Sink]:
        """Give what takes the file's content; see the port. Raises: StoreUnavailable, StoreFull."""
        partial = self.folder / f"{name}{_PARTIAL}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            partial.unlink(missing_ok=True)  # what a killed worker left behind may still write to it
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)  # members' data
            try:
                yield _Whole(descriptor)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            partial.replace(self.folder / name)
            keep_name(self.folder)
        except OSError as error:
            raise self._refused(error) from None
        finally:
            with suppress(OSError):  # where it could not even be begun
                partial.unlink(missing_ok=True)

    @contextmanager
    def reading(self, name: str) -> Iterator[Source]:
        """Give the file's content. Raises: NoSuchFile, StoreUnavailable."""
        try:
            file = (self.folder / name).open("rb")
        except FileNotFoundError:
            raise NoSuchFile(what=f"{self.folder / name} is not there", remedy="ue backup list shows what is") from None
        except OSError as error:
            raise self._refused(error) from None
        with file:
            try:
                yield file
            except OSError as error:
                raise self._refused(error) from None

    def delete(self, name: str) -> None:
        """The file is gone, and what an attempt to write it left. Raises: StoreUnavailable."""
        try:
            (self.folder / name).unlink(missing_ok=True)
            (self.folder / f"{name}{_PARTIAL}").unlink(missing_ok=True)
            if self.folder.exists():
                keep_name(self.folder)
        except OSError as error:
            raise self._refused(error) from None

    def _refused(self, error: OSError) -> StoreUnavailable | StoreFull:
        free = self.free()
        room = "" if free is None else f"; {self.folder} has {format_bytes(free)} free"
        if error.errno in _FULL:
            return StoreFull(what=f"{self.folder}: {error.strerror}{room}", remedy="make room: ue backup prune --dry-run; then try again")
        return StoreUnavailable(
            what=f"{error.filename or self.folder}: {error.strerror or error}{room}", remedy="mend the folder of the backups, and try again"
        )


@dataclass(frozen=True, slots=True)
class _Whole:
    """Writes all of what it is given: a raw file may take a part."""

    descriptor: int

    def write(self, content: bytes, /) -> int:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(self.descriptor, rest) :]
        return len(content)
