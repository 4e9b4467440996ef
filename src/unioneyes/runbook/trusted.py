"""Files that nobody but us and root may write: what is returned was read from the very file that was looked at."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
"""A pipe that stands where a file should is not waited for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfit:
    """A file that can't be read, or whose content is not to be trusted."""

    why: str


def read_trusted(folder: Path, suffix: str) -> dict[Path, bytes | Unfit]:
    """Return what each file of `folder` holds, by its path. None where there is no folder, or one that can't be read.

    Who may write the folder may put any file into it, so no file of such a folder is trusted.
    """
    try:
        with _opened(folder) as (directory, found):
            names = sorted(entry.name for entry in os.scandir(directory) if entry.name.endswith(suffix))
            strange = _unfit(found, "its folder")
            files = {folder / name: strange or _read(name, directory) for name in names}
    except OSError:
        return {}
    return {path: content for path, content in files.items() if content is not None}


def others_may_write(*, mode: int, owner: int, group: int) -> bool:
    """Return True when somebody beside the owner may write what has this mode, us and root being the only owners that count as nobody else.

    A group that is called like the owner and has no other member is the owner: many systems give each person such a one, and make new files writable for it.
    """
    if owner not in {0, os.getuid()} or mode & stat.S_IWOTH:
        return True
    return bool(mode & stat.S_IWGRP) and not _is_own_group(owner, group)


def _is_own_group(owner: int, group: int) -> bool:
    try:
        name, found = pwd.getpwuid(owner).pw_name, grp.getgrgid(group)
    except KeyError:
        return False
    return found.gr_name == name and set(found.gr_mem) <= {name}


def _read(name: str, directory: int) -> bytes | Unfit | None:
    """Return what the file holds; None when it is none."""
    try:
        with _opened(name, directory) as (descriptor, found):
            if not stat.S_ISREG(found.st_mode):
                return None
            if (strange := _unfit(found, "it")) is not None:
                return strange
            with os.fdopen(os.dup(descriptor), "rb") as file:
                return file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        return Unfit(why=f"it can't be read: {error.strerror}")


def _unfit(found: os.stat_result, what: str) -> Unfit | None:
    if others_may_write(mode=found.st_mode, owner=found.st_uid, group=found.st_gid):
        return Unfit(why=f"others can write {what}, and the server would run what they write")
    return None


@contextmanager
def _opened(path: Path | str, directory: int | None = None) -> Iterator[tuple[int, os.stat_result]]:
    descriptor = os.open(path, _READ, dir_fd=directory)
    try:
        yield descriptor, os.fstat(descriptor)
    finally:
        os.close(descriptor)
