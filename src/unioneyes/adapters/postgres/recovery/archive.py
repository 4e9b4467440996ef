"""The folder in which `pg_receivewal` keeps the log: its segments, the one that is being written, and the history of the timelines."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from unioneyes.adapters.postgres.recovery.positions import SEGMENT_BYTES, Segment, parse_lsn
from unioneyes.adapters.postgres.recovery.reach import Fork, Kept

PARTIAL = ".partial"
"""How the file is called beside its name whose segment is being written."""
_FORK_WORDS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class WalArchive:
    """The log that was received. Nothing but its folder is asked."""

    folder: Path

    @property
    def size(self) -> int:
        """Bytes of one segment: whole ones are all alike."""
        return next((path.stat().st_size for path in sorted(self.folder.glob("[0-9A-F]" * 24))), SEGMENT_BYTES)

    def kept(self) -> Kept:
        """Return what is there."""
        names = (path.name for path in self.folder.iterdir()) if self.folder.is_dir() else ()
        return kept_of(names, {path.name: path.read_text() for path in self.folder.glob("????????.history")}, size=self.size)

    def bytes(self) -> int:
        """Return how much room it takes."""
        return sum(path.stat().st_blocks * 512 for path in self.folder.iterdir()) if self.folder.is_dir() else 0

    @contextmanager
    def held(self, segments: Iterable[Segment]) -> Iterator[Path]:
        """Give a folder in which these segments stand under their names, also the one that is being written, for programs that know no other names."""
        size = self.size
        with TemporaryDirectory(prefix="ue-wal-") as view:
            for segment in segments:
                whole = self.folder / segment.name(size=size)
                (Path(view) / whole.name).symlink_to(whole if whole.exists() else f"{whole}{PARTIAL}")
            yield Path(view)

    @contextmanager
    def restoring(self, segments: Iterable[Segment]) -> Iterator[str]:
        """Give the command by which PostgreSQL takes segments from here, also the one that was being written when the server ended."""
        del segments  # it takes what it needs
        yield self.describe_restoring()

    def describe_restoring(self) -> str:
        """Return that command, which a person would give it too."""
        folder = shlex.quote(str(self.folder)).replace("%", "%%")
        return f"cp {folder}/%f %p 2>/dev/null || cp {folder}/%f{PARTIAL} %p"

    def remove(self, segments: tuple[Segment, ...]) -> int:
        """These segments are gone. Return how many bytes they took."""
        size, freed = self.size, 0
        for segment in segments:
            for path in (self.folder / segment.name(size=size), self.folder / f"{segment.name(size=size)}{PARTIAL}"):
                if path.exists():
                    freed += path.stat().st_blocks * 512
                    path.unlink()
        return freed


def kept_of(names: Iterable[str], histories: Mapping[str, str], *, size: int) -> Kept:
    """Return what is there, by the names of files, and the text of each history file by its name."""
    named = {name.removesuffix(PARTIAL) for name in names}
    segments = frozenset(segment for name in named if (segment := Segment.read(name, size=size)) is not None)
    return Kept(segments=segments, forks={int(name[:8], 16): read_history(text) for name, text in histories.items()}, size=size)


def read_history(text: str) -> tuple[Fork, ...]:
    """Return the forks of a timeline's history file: `1<TAB>0/3000148<TAB>no recovery target specified`."""
    rows = (line.split(maxsplit=_FORK_WORDS) for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#"))
    return tuple(Fork(parent=int(row[0]), position=parse_lsn(row[1])) for row in rows)
