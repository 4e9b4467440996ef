"""The folder in which `pg_receivewal` keeps the log: its segments, the one that is being written, and the history of the timelines."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from unioneyes.adapters.postgres.recovery.positions import SEGMENT_BYTES, Segment, parse_lsn
from unioneyes.adapters.postgres.recovery.reach import Fork, Kept

_PARTIAL = ".partial"
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
        size = self.size
        named = {path.name.removesuffix(_PARTIAL) for path in self.folder.iterdir()} if self.folder.is_dir() else set()
        segments = frozenset(segment for name in named if (segment := Segment.read(name, size=size)) is not None)
        forks = {int(path.stem, 16): read_history(path.read_text()) for path in self.folder.glob("????????.history")}
        return Kept(segments=segments, forks=forks, size=size)

    def bytes(self) -> int:
        """Return how much room it takes."""
        return sum(path.stat().st_blocks * 512 for path in self.folder.iterdir()) if self.folder.is_dir() else 0

    @contextmanager
    def whole(self) -> Iterator[Path]:
        """Give a folder in which the segment that is being written is called like the others, for programs that know no other name."""
        with TemporaryDirectory(prefix="ue-wal-") as view:
            for path in sorted(self.folder.iterdir() if self.folder.is_dir() else (), reverse=True):  # where both are there, the whole one counts
                link = Path(view) / path.name.removesuffix(_PARTIAL)
                link.unlink(missing_ok=True)
                link.symlink_to(path)
            yield Path(view)

    def restore_command(self) -> str:
        """Return the setting by which PostgreSQL takes a segment from here, also the one that was being written when the server ended."""
        folder = shlex.quote(str(self.folder)).replace("%", "%%")
        return f"cp {folder}/%f %p 2>/dev/null || cp {folder}/%f{_PARTIAL} %p"

    def remove(self, segments: tuple[Segment, ...]) -> int:
        """These segments are gone. Return how many bytes they took."""
        size, freed = self.size, 0
        for segment in segments:
            for path in (self.folder / segment.name(size=size), self.folder / f"{segment.name(size=size)}{_PARTIAL}"):
                if path.exists():
                    freed += path.stat().st_blocks * 512
                    path.unlink()
        return freed


def read_history(text: str) -> tuple[Fork, ...]:
    """Return the forks of a timeline's history file: `1<TAB>0/3000148<TAB>no recovery target specified`."""
    rows = (line.split(maxsplit=_FORK_WORDS) for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#"))
    return tuple(Fork(parent=int(row[0]), position=parse_lsn(row[1])) for row in rows)
