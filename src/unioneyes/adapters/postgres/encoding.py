"""A dump on its way into a store and back: compressed by zstd, encrypted by age where there are recipients. In one pass, and memory stays flat."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BufferedIOBase
from typing import IO, TypeVar, cast

import pyrage
import zstandard
from pydantic import SecretStr

from unioneyes.kernel.problems import BadInput
from unioneyes.ports.backup_store import Sink, Source

R = TypeVar("R")

LEVEL = 1
"""Of zstd. Measured on text: half the time of its default (3), and a tenth larger. On two processors a backup is bound by them, not by its disk."""
_PIECE = 64 * 1024
"""Small enough to be written where the last one was: for larger ones, memory is asked for anew each time, which made unpacking a third slower."""
_FINGERPRINT = 16
"""Hex digits of a recipient's SHA-256: enough to tell keys apart."""
_SECRET_KEY = "AGE-SECRET-KEY-"  # noqa: S105 - what begins each line that holds one


class NotDecoded(Exception):  # noqa: N818 - becomes a problem of whoever knows which backup it was
    """The bytes are not what was encoded."""


class BadKey(BadInput):
    """It is no key of age."""


class Tally:
    """What went by: how many bytes, and their SHA-256. An exception of either end is kept, for age's code between them would lose it."""

    def __init__(self, seen: Callable[[int], None] = lambda _: None, *, hashed: bool = True) -> None:
        """Say to `seen` how many bytes there were, again and again. What is not `hashed` is faster."""
        self._hashed = hashed
        self.bytes = 0
        self.trouble: BaseException | None = None
        self._sha256 = hashlib.sha256()
        self._seen = seen

    @property
    def sha256(self) -> str:
        """SHA-256 of all that went by, where it is hashed."""
        return self._sha256.hexdigest()

    def count(self, content: bytes) -> None:
        """`content` went by."""
        self.bytes += len(content)
        if self._hashed:
            self._sha256.update(content)
        self._seen(self.bytes)

    def carry(self, act: Callable[[], R]) -> R:
        """Return what `act` returns. Raises: what it raises, which `carried` raises again on the other side of age."""
        try:
            return act()
        except BaseException as trouble:
            self.trouble = trouble
            raise


class CountedSource:
    """A source, tallied."""

    def __init__(self, source: Source, tally: Tally) -> None:
        """Read from `source`."""
        self._source, self._tally = source, tally

    def read(self, size: int = -1, /) -> bytes:
        """Return at most `size` bytes."""
        content = self._tally.carry(lambda: self._source.read(size))
        self._tally.carry(lambda: self._tally.count(content))
        return content

    def drain(self) -> None:
        """Everything was read."""
        while self.read(_PIECE):
            pass


class CountedSink:
    """A sink, tallied."""

    def __init__(self, sink: Sink, tally: Tally) -> None:
        """Write to `sink`."""
        self._sink, self._tally = sink, tally

    def write(self, content: bytes, /) -> int:
        """Take all of `content`."""
        whole = bytes(content)
        self._tally.carry(lambda: self._sink.write(whole))
        self._tally.carry(lambda: self._tally.count(whole))
        return len(whole)

    def flush(self) -> None:
        """Nothing is held back here."""


def encode(source: CountedSource, sink: CountedSink, *, tallies: tuple[Tally, ...], recipients: tuple[str, ...]) -> None:
    """`sink` has all of `source`, compressed, and encrypted to each of the recipients. Raises: BadKey, and what the two ends raise."""
    keys = [_recipient(each) for each in recipients]
    reader = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True).stream_reader(cast("IO[bytes]", source), read_size=_PIECE)
    if keys:
        with _carried(tallies):
            pyrage.encrypt_io(_file(reader), _file(sink), keys)
        return
    while piece := reader.read(_PIECE):
        sink.write(piece)


def decode(source: CountedSource, sink: CountedSink, *, tallies: tuple[Tally, ...], compressed: bool, identity: SecretStr | None) -> None:
    """`sink` has what was encoded as `source`, of which all was read. Raises: NotDecoded, BadKey, and what the two ends raise."""
    try:
        target = zstandard.ZstdDecompressor().stream_writer(cast("IO[bytes]", sink), write_size=_PIECE, closefd=False) if compressed else sink
        if identity is None:
            while piece := source.read(_PIECE):
                target.write(piece)
        else:
            with _carried(tallies):
                pyrage.decrypt_io(_file(source), _file(target), _identities(identity))
        source.drain()
    except (zstandard.ZstdError, pyrage.DecryptError, _AgeStopped) as error:
        raise NotDecoded(str(error)) from None


def _file(end: object) -> BufferedIOBase:
    """Return it as what age's declarations ask for, of which it calls `read` or `write` alone."""
    return cast("BufferedIOBase", end)


def fingerprint(recipient: str) -> str:
    """Return what tells one recipient from another."""
    return hashlib.sha256(recipient.encode()).hexdigest()[:_FINGERPRINT]


def fingerprints_of(identity: SecretStr) -> tuple[str, ...]:
    """Return the fingerprints of those recipients whose backups it opens. Raises: BadKey."""
    return tuple(fingerprint(str(each.to_public())) for each in _identities(identity))


def require_recipient(recipient: str) -> str:
    """Return it where backups can be encrypted to it. Raises: BadKey."""
    _recipient(recipient)
    return recipient


def _recipient(text: str) -> pyrage.x25519.Recipient:
    try:
        return pyrage.x25519.Recipient.from_str(text)
    except pyrage.RecipientError as error:
        raise BadKey(what=f"{text[:20]!r} is no public key of age: {error}", remedy="give one as age-keygen prints it: age1...") from None


def _identities(text: SecretStr) -> list[pyrage.x25519.Identity]:
    """Return the private keys of the text, which may be the file that age-keygen writes. Raises: BadKey, which does not repeat any of it."""
    lines = [line.strip() for line in text.get_secret_value().splitlines() if line.strip().startswith(_SECRET_KEY)]
    try:
        found = [pyrage.x25519.Identity.from_str(line) for line in lines]
    except pyrage.IdentityError:
        found = []
    if not found:
        raise BadKey(what="[backup] identity holds no private key of age", remedy="keep there what age-keygen wrote: a line AGE-SECRET-KEY-1...")
    return found


class _AgeStopped(Exception):  # noqa: N818 - told on as NotDecoded
    """Age gave up for a reason of its own."""


@contextmanager
def _carried(tallies: tuple[Tally, ...]) -> Iterator[None]:
    """What an end raised comes out of age as it was. Raises: that, or _AgeStopped where age found something itself."""
    stopped = ""
    try:
        yield
    except (OSError, pyrage.EncryptError, pyrage.DecryptError) as error:
        stopped = str(error) or type(error).__name__
    # Also where age returned: what it wrote last, it writes when nobody hears that it failed.
    trouble = next((tally.trouble for tally in tallies if tally.trouble is not None), None)
    if trouble is not None and not isinstance(trouble, zstandard.ZstdError):
        raise trouble
    if stopped:
        raise _AgeStopped(stopped)
