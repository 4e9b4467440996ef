"""The backups' files: dumps on their way into the store and back, each with its manifest."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from pydantic import SecretStr

from unioneyes.adapters.postgres.encoding import CountedSink, CountedSource, NotDecoded, Tally, decode, encode, fingerprint, fingerprints_of
from unioneyes.adapters.postgres.manifest import Manifest, manifest_file, read_manifest
from unioneyes.adapters.postgres.trouble import room_at
from unioneyes.kernel.clock import Deadline
from unioneyes.kernel.problems import Problem
from unioneyes.kernel.units import format_bytes
from unioneyes.ports.backup_store import BackupStore, NoSuchFile, Source
from unioneyes.ports.database import BackupUnproven, NotProvable, Told

TELL_EVERY = timedelta(seconds=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A dump stands in the store."""

    file: str
    bytes: int
    sha256: str
    dump_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """Every backup of one store."""

    store: BackupStore
    work: Path
    """Where a dump is unpacked for as long as it is restored; nothing that has a name is written there."""
    recipients: tuple[str, ...] = ()
    """Public keys of age to which new backups are encrypted."""
    identity: Callable[[], SecretStr] | None = None
    """Reads the private key that opens them, each time anew."""

    def all(self) -> tuple[Manifest, ...]:
        """Return the manifest of every backup, newest first. A dump without one is none. Raises: StoreUnavailable."""
        suffix = manifest_file("")
        found = (read_manifest(self.store.note(name)) for name in self.store.names() if name.endswith(suffix))
        return tuple(sorted((each for each in found if each is not None), key=lambda each: each.taken_at, reverse=True))

    def manifest(self, name: str) -> Manifest | None:
        """Return the manifest of one. Raises: StoreUnavailable."""
        return read_manifest(self.store.note(manifest_file(name)))

    def note(self, manifest: Manifest) -> None:
        """The manifest stands beside its dump. Raises: StoreUnavailable, StoreFull."""
        self.store.keep_note(manifest_file(manifest.name), manifest.text().encode())

    def file(self, name: str) -> str:
        """Return the name of the file in which a new backup called `name` is kept."""
        return f"{name}.dump.zst{'.age' if self.recipients else ''}"

    @contextmanager
    def taking(self, name: str) -> Iterator[Taking]:
        """Give what a dump is written into; it stands in the store when the block has ended, and nothing of it where an exception ends the block."""
        with self.store.writing(self.file(name)) as sink:
            yield Taking(file=self.file(name), sink=CountedSink(sink, tally := Tally()), tally=tally, recipients=self.recipients)

    def delete(self, name: str) -> None:
        """The backup is gone, its manifest first. Raises: StoreUnavailable."""
        found = self.manifest(name)
        self.store.delete(manifest_file(name))
        for file in {self.file(name), found.file if found else self.file(name)}:
            self.store.delete(file)

    def require_readable(self, manifest: Manifest) -> None:
        """Return where it is not encrypted, or where our key opens it. Raises: NotProvable, BadKey."""
        if manifest.recipients:
            self._require_key(manifest.recipients, manifest.name)

    def require_provable(self) -> None:
        """Return where what is encrypted now could be read here. Raises: NotProvable, BadKey."""
        if self.recipients:
            self._require_key(tuple(map(fingerprint, self.recipients)), "what is backed up here")

    @contextmanager
    def plain(self, manifest: Manifest, *, meanwhile: Told) -> Iterator[Path]:
        """Give the path of the dump, unpacked: it is the file that was written, or nobody sees it. Gone with the block, or with this process.

        Raises: BackupUnproven (missing, cut off, tampered with), NotUnpacked, NotProvable, StoreUnavailable.
        """
        self.require_readable(manifest)
        with self._nameless() as unpacked:
            say = Seldom(meanwhile)
            taken = Tally(lambda done: say(f"unpacked {format_bytes(done)} of {format_bytes(manifest.bytes)}"))
            given = Tally(hashed=False)
            try:
                with self.store.reading(manifest.file) as source:
                    decode(
                        CountedSource(source, taken),
                        CountedSink(_Unpacked(unpacked, self.work), given),
                        tallies=(taken, given),
                        compressed=manifest.compression == "zstd",
                        identity=self.identity() if manifest.recipients and self.identity else None,
                    )
            except (NotDecoded, NoSuchFile):
                raise _other_file(manifest) from None
            if taken.sha256 != manifest.sha256:
                raise _other_file(manifest)
            yield Path(f"/proc/{os.getpid()}/fd/{unpacked.fileno()}")

    def how(self, name: str) -> tuple[str, ...]:
        """Return what a person types to restore it without any program of ours."""
        opened = f"{_opener(self.file(name))} < {self.file(name)}"
        return (f"sha256sum {self.file(name)}   # as below", f"{opened} > {name}.dump", f"createdb NEW && pg_restore -d NEW --exit-on-error {name}.dump")

    def opened(self, file: str) -> str:
        """Return what a person types to have the dump in the file on stdout."""
        return f"{_opener(file)} < {self.store.address(file)}"

    @contextmanager
    def _nameless(self) -> Iterator[IO[bytes]]:
        """Give a file without a name, so that a killed process leaves none of members' data. Raises: NotUnpacked."""
        try:
            self.work.mkdir(parents=True, exist_ok=True, mode=0o700)
            made = TemporaryFile(dir=self.work, buffering=0)  # noqa: SIM115 - ended by the block below
        except OSError as error:
            raise _not_unpacked(self.work, error) from None
        with made:
            yield made

    def _require_key(self, recipients: tuple[str, ...], what: str) -> None:
        if self.identity is None:
            raise NotProvable(
                what=f"{what} is encrypted to {', '.join(recipients)}, and nobody here has the key: it can't be restored here, and so not be proven here",
                remedy='name the key in environment.toml, [backup] identity = "secret://..."; or verify it on a machine that has it',
            )
        ours = fingerprints_of(self.identity())
        if not set(ours) & set(recipients):
            raise NotProvable(
                what=f"{what} is encrypted to {', '.join(recipients)}, and [backup] identity is the key of {', '.join(ours)}",
                remedy="let [backup] identity refer to the right key; or verify it on a machine that has it",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Taking:
    """A dump on its way into the store."""

    file: str
    sink: CountedSink
    tally: Tally
    recipients: tuple[str, ...]

    def all_of(self, dump: Source, *, seen: Callable[[int], None]) -> Kept:
        """Take the dump to its end; `seen` is told how many of its bytes there were, again and again."""
        taken = Tally(seen, hashed=False)
        encode(CountedSource(dump, taken), self.sink, tallies=(taken, self.tally), recipients=self.recipients)
        return Kept(file=self.file, bytes=self.tally.bytes, sha256=self.tally.sha256, dump_bytes=taken.bytes)


@dataclass(frozen=True, slots=True)
class _Unpacked:
    """Where a dump is unpacked. What goes wrong here is none of the store's; and all is written that is given: a raw file may take a part."""

    file: IO[bytes]
    work: Path

    def write(self, content: bytes, /) -> int:
        rest = memoryview(content)
        try:
            while rest:
                rest = rest[self.file.write(rest) :]
        except OSError as error:
            raise _not_unpacked(self.work, error) from None
        return len(content)


class NotUnpacked(Problem):
    """There was no room to unpack a dump, which may be good."""


class Seldom:
    """Tells what is to be said of work that lasts, and not more often than every two seconds."""

    def __init__(self, told: Told) -> None:
        """Tell it by `told`."""
        self._told = told
        self._due = Deadline.after(TELL_EVERY)

    def __call__(self, line: str) -> None:
        """Say `line`, where it is time to say something."""
        if self._due.passed:
            self._due = Deadline.after(TELL_EVERY)
            self._told(line)


def _opener(file: str) -> str:
    if file.endswith(".age"):
        return "age -d -i KEY | zstd -d"
    return "zstd -d" if file.endswith(".zst") else "cat"


def _not_unpacked(work: Path, error: OSError) -> NotUnpacked:
    return NotUnpacked(what=f"there is no room to unpack it in {work}: {error.strerror}{room_at(work)}", remedy="make room there, and try again")


def _other_file(manifest: Manifest) -> BackupUnproven:
    return BackupUnproven(what=f"{manifest.file} is missing or not the file that was written", remedy="take another backup; do not rely on this one")
