"""Secrets that stand in files, also as Kubernetes, systemd and Docker hand them out: a folder of files. Implements `ports.secrets.SecretProvider`."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from pydantic import SecretStr

from unioneyes.kernel.files import exposed
from unioneyes.ports.secrets import LONGEST, SecretReference, SecretUnresolved


class SecretFiles:
    """`secret://file/run/token` is the file `/run/token`, `secret://file/run/mount#token` the file `token` of a folder. `~/` is the home."""

    def resolve(self, reference: SecretReference) -> SecretStr:
        """Return the file's text without the line end behind it. See the port."""
        path = Path(reference.path).expanduser() if reference.path.startswith("~/") else Path("/", reference.path)
        if reference.key is not None:
            path = _in_folder(path, reference.key)
        try:
            content = _read(path)
        except OSError as error:
            raise SecretUnresolved(what=f"{path} can't be read: {error.strerror}", remedy="correct the reference, or put the file there") from None
        try:
            text = content.decode()
        except UnicodeDecodeError:
            raise SecretUnresolved(what=f"{path} is no text in UTF-8", remedy="keep the secret there as text") from None
        return SecretStr(text.removesuffix("\n").removesuffix("\r"))


def _in_folder(folder: Path, key: str) -> Path:
    if not folder.is_dir() or key in {".", ".."}:
        raise SecretUnresolved(what=f"{folder} is no folder that {key!r} could stand in", remedy="leave out what stands behind '#' where the path is a file")
    return folder / key


def _read(path: Path) -> bytes:
    """Return what the file holds. Raises: SecretUnresolved, OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe that nobody writes to must not hold us up
    try:
        _require_secret(path, os.fstat(descriptor))
        content = os.read(descriptor, LONGEST + 1)
    finally:
        os.close(descriptor)
    if len(content) > LONGEST:
        raise SecretUnresolved(what=f"{path} is larger than a secret: more than {LONGEST} bytes", remedy="name the file that holds nothing else")
    return content


def _require_secret(path: Path, found: os.stat_result) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise SecretUnresolved(what=f"{path} is a folder", remedy=f"name one of its files: secret://file{path}#NAME")
    if not stat.S_ISREG(found.st_mode):
        raise SecretUnresolved(what=f"{path} is no file", remedy="keep the secret in a file")
    if how := exposed(found):
        raise SecretUnresolved(
            what=f"{path} can be read or changed by others: {how}",
            remedy=f"chmod 0600 {path}, and let it belong to the server's user (in Kubernetes: defaultMode: 0400); take a new one if others read it",
        )
