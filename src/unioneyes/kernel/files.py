"""Files that are replaced at once: nobody ever reads half of one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path


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
