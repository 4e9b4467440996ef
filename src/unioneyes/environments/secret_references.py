"""Secrets that settings name and do not hold: in a file that only its owner may read, or in an environment variable."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from pydantic import SecretStr

from unioneyes.kernel.problems import Refused

_OTHERS = 0o077


def read_secret(reference: str) -> SecretStr:
    """Return the secret that stands at `file:/PATH` or `env:VARIABLE`, without the line's end behind it. Raises: SecretUnusable."""
    kind, _, place = reference.partition(":")
    found = os.environ.get(place, "") if kind == "env" else _in_file(Path(place).expanduser())
    if not found.strip():
        raise SecretUnusable(what=f"{reference} holds no secret", remedy="put it there, or correct the reference in environment.toml")
    return SecretStr(found.rstrip("\r\n"))


def _in_file(path: Path) -> str:
    try:
        found = path.stat()
        if found.st_mode & _OTHERS or found.st_uid not in {0, os.geteuid()}:
            mode = f"{stat.S_IMODE(found.st_mode):04o}"
            raise SecretUnusable(
                what=f"{path} can be read or changed by others: its mode is {mode}, its owner {found.st_uid}",
                remedy=f"chmod 0600 {path}, and let it belong to the server's user; take a new secret where others may have read it",
            )
        return path.read_text()
    except OSError as error:
        raise SecretUnusable(what=f"{path} can't be read: {error.strerror}", remedy="correct the reference in environment.toml") from None
    except UnicodeDecodeError:
        raise SecretUnusable(what=f"{path} holds no text", remedy="put the secret there as text, in UTF-8") from None


class SecretUnusable(Refused):
    """A secret is not there, or is none any more."""
