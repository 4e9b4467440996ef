"""Where backups are kept: files by their names, in a folder or in an object store. Whoever makes and reads backups asks for nothing else."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from unioneyes.kernel.problems import BadInput, Problem, Unavailable

LARGEST_NOTE = 64 * 1024 * 1024
"""Bytes of a file that is read as a whole: a manifest names each table and each role."""


class Sink(Protocol):
    """Takes bytes."""

    def write(self, content: bytes, /) -> int:
        """Take all of `content`; return how many bytes that were."""


class Source(Protocol):
    """Gives bytes."""

    def read(self, size: int = -1, /) -> bytes:
        """Return at most `size` bytes; none at the end."""


class BackupStore(Protocol):
    """Keeps files that only their owner reads, each whole or not at all. Names are those of `file_name`; nobody writes one twice at a time."""

    @property
    def place(self) -> str:
        """Where they are, for people: `/var/backups`, `s3://BUCKET/PREFIX`."""

    def address(self, name: str) -> str:
        """Return how a person names the file."""

    def names(self) -> tuple[str, ...]:
        """Return the names of all whole files. Raises: StoreUnavailable."""

    def free(self) -> int | None:
        """Return the bytes that still fit; None where nobody can know. Raises: StoreUnavailable."""

    def note(self, name: str) -> bytes | None:
        """Return a small file; None when there is none. Raises: StoreUnavailable."""

    def keep_note(self, name: str, content: bytes) -> None:
        """The file holds `content`, in place of what it held, and survives a power cut. Raises: StoreUnavailable, StoreFull."""

    def writing(self, name: str) -> AbstractContextManager[Sink]:
        """Give what takes the file's content; the file stands when the block has ended, and nothing of it does when an exception ends the block.

        Memory stays flat. What a killed process left of an earlier attempt is gone. Raises: StoreUnavailable, StoreFull.
        """

    def reading(self, name: str) -> AbstractContextManager[Source]:
        """Give the file's content, piece by piece. Raises: NoSuchFile, StoreUnavailable, also from the reads."""

    def delete(self, name: str) -> None:
        """The file is gone; also what an attempt to write it left. Raises: StoreUnavailable."""


class StoreUnavailable(Unavailable):
    """What keeps the backups does not answer, or refuses."""


class StoreFull(Problem):
    """What keeps the backups has no room for this one."""


class NoSuchFile(Problem):
    """The file is not there."""


class StoreMeansNothing(BadInput):
    """What is said of the store names none."""
