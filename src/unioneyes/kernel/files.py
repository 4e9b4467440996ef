"""Files that are replaced at once: nobody ever reads half of one."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

_OF_OWNER, _OF_ROOT = 0o600, 0o640
"""What the file of a secret may allow, by whose it is. Source: PostgreSQL's documentation, "Secure TCP/IP Connections with SSL"."""


def replace_file(path: Path, text: str) -> None:
    """The file holds `text`, whole or not at all, and only its owner can read it. Made in the same folder, so that a watcher sees one move."""
    replace_by_parts(path, (text,))


def replace_by_parts(path: Path, parts: Iterable[str]) -> None:
    """The file holds `parts`, one behind the other, as `replace_file` has it. Raises: OSError, and what comes from `parts`; nothing is left of it then."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # made with mode 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def keep_name(folder: Path) -> None:
    """The names of the folder's files survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def in_memory(content: bytes) -> Iterator[Path]:
    """Give the path of a file that stands in this process's memory alone: for what takes a secret by a file's name only."""
    descriptor = os.memfd_create("unioneyes", os.MFD_CLOEXEC)
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(content)
        yield Path(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


def exposed(found: os.stat_result) -> str | None:
    """Return how others than this user, and root, could read or change a file that holds a secret; None when they can't."""
    mode, allowed = stat.S_IMODE(found.st_mode), _OF_ROOT if found.st_uid == 0 else _OF_OWNER
    if found.st_uid in {0, os.geteuid()} and not mode & ~allowed:
        return None
    return f"its mode is {mode:04o}, its owner {found.st_uid}"
