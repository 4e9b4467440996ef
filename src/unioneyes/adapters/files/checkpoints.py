"""A file that checkpoints are appended to. Implements `ports.witness.Witness`."""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from unioneyes.kernel.fencing import Fence
from unioneyes.kernel.files import keep_name
from unioneyes.ports.witness import WitnessOvertaken, WitnessUnavailable

_END = "\n\n"
"""Stands behind what is signed, and behind its signatures."""
_SIGNATURE = "\u2014 "
"""Begins each signature, and no first line of a checkpoint."""
_WITHIN = timedelta(seconds=5)
"""How long to wait for another process that appends."""
_TAIL = 64 * 1024
"""Bytes in which the last checkpoint stands."""


@dataclass(frozen=True, slots=True)
class CheckpointFile:
    """Signed notes, one after the other, an empty line behind each."""

    path: Path

    def keep(self, checkpoint: str) -> None:
        """The file ends with the checkpoint, and a power cut leaves it there; what an earlier one cut off is removed.

        Raises: WitnessOvertaken, WitnessUnavailable.
        """
        try:
            with Fence(self.path.with_name(f"{self.path.name}.lock")).entered(within=_WITHIN):
                self._append(checkpoint)
        except OSError as error:
            raise self._unavailable(error) from None

    def latest(self) -> str | None:
        """Return the last checkpoint; None where the file holds none. Raises: WitnessUnavailable."""
        found, _ = self._tail(_TAIL)
        return found[-1] if found else None

    def since(self, size: int) -> tuple[str, ...]:
        """Return those that cover more than `size` entries; only the end of the file is read, as far back as needed. Raises: WitnessUnavailable."""
        length = _TAIL
        while True:
            found, whole = self._tail(length)
            if whole or (found and _size(found[0]) <= size):
                return tuple(note for note in found if _size(note) > size)
            length *= 4

    def all(self) -> tuple[str, ...]:
        """Return every checkpoint. Raises: WitnessUnavailable."""
        try:
            whole = self.path.read_bytes()
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise self._unavailable(error) from None
        return _read(whole)

    def _tail(self, length: int) -> tuple[tuple[str, ...], bool]:
        """Return the checkpoints in the last `length` bytes, and whether that is the whole file."""
        try:
            with self.path.open("rb") as file:
                begin = max(0, os.fstat(file.fileno()).st_size - length)
                file.seek(begin)
                return _read(file.read()), begin == 0
        except FileNotFoundError:
            return (), True
        except OSError as error:
            raise self._unavailable(error) from None

    def _append(self, checkpoint: str) -> None:
        new = not self.path.exists()
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            begin = max(0, os.fstat(descriptor).st_size - _TAIL)
            tail = os.pread(descriptor, _TAIL, begin)
            whole = _whole(tail)
            if tail and not whole:
                raise WitnessUnavailable(what=f"{self.path} does not end with a checkpoint", remedy="look at it; name it otherwise when it is another file")
            if whole and _size(checkpoint) <= (last := _size(_read(tail)[-1])):
                raise WitnessOvertaken(
                    what=f"{self.path} keeps a checkpoint of {last} entries, and one of {_size(checkpoint)} comes too late",
                    remedy="nothing to do: another worker has sealed more meanwhile",
                )
            os.ftruncate(descriptor, begin + whole)
            os.pwrite(descriptor, f"{checkpoint}\n".encode(), begin + whole)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if new:
            keep_name(self.path.parent)

    def _unavailable(self, error: OSError) -> WitnessUnavailable:
        return WitnessUnavailable(what=f"{self.path}: {error.strerror}", remedy="make room or give permission; what waits is written then")


def _size(checkpoint: str) -> int:
    """Return how many entries the checkpoint covers. Source: c2sp.org/tlog-checkpoint, the second line."""
    return int(checkpoint.split("\n", 2)[1])


def _whole(data: bytes) -> int:
    """Return where the last whole checkpoint in `data` ends."""
    begin = end = 0
    while (found := data.find(_END.encode(), begin)) >= 0:
        if data.startswith(_SIGNATURE.encode(), begin):
            end = found + len(_END)
        begin = found + len(_END)
    return end


def _read(data: bytes) -> tuple[str, ...]:
    """Return the whole checkpoints in `data`, which may begin within one."""
    blocks = data[: _whole(data)].decode(errors="replace").split(_END)
    return tuple(f"{text}{_END}{signatures}\n" for text, signatures in itertools.pairwise(blocks) if signatures.startswith(_SIGNATURE))
