"""Signed notes with Ed25519: keys, what they sign, and when. Pure.

Source: c2sp.org/signed-note, c2sp.org/tlog-cosignature; the keys' text form is that of Go's `golang.org/x/mod/sumdb/note`.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from unioneyes.runbook.audit.problems import AuditKeyMalformed

_PLAIN, _TIMED = b"\x01", b"\x04"
"""Kinds of signature: of the text, and of the text with a time."""
_ID_BYTES, _TIME_BYTES, _KEY_BYTES = 4, 8, 32
_DASH = "\u2014"
_NAME = re.compile(r"[^\s+]+")


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key, and the name that its owner signs under."""

    name: str
    key: Ed25519PublicKey

    @classmethod
    def read(cls, text: str) -> VerifierKey:
        """Return the key that `text` is: `NAME+ID+KEY`. Raises: AuditKeyMalformed."""
        name, _, rest = text.strip().partition("+")
        key_id, _, encoded = rest.partition("+")
        raw = _bytes(encoded)
        if raw is None or not _NAME.fullmatch(name) or raw[:1] != _PLAIN or len(raw) != 1 + _KEY_BYTES:
            raise AuditKeyMalformed(what=f"{text.strip()[:80]!r} is no Ed25519 verifier key", remedy="give NAME+ID+KEY, as `ue audit verify` prints it")
        read = cls(name, Ed25519PublicKey.from_public_bytes(raw[1:]))
        if read.id(_PLAIN).hex() != key_id:
            raise AuditKeyMalformed(what=f"the key of {name} has the ID {read.id(_PLAIN).hex()}, and not {key_id}", remedy="copy it again, whole")
        return read

    def id(self, kind: bytes = _PLAIN) -> bytes:
        """Return what a signature line names the key by."""
        return sha256(self.name.encode() + b"\n" + kind + self.key.public_bytes_raw()).digest()[:_ID_BYTES]

    def __str__(self) -> str:
        """Return the key as people hand it on."""
        return f"{self.name}+{self.id().hex()}+{base64.b64encode(_PLAIN + self.key.public_bytes_raw()).decode()}"

    def signed(self, note: str) -> Signed | None:
        """Return what this key signed; None when it signed no such note."""
        text, blank, lines = note.rpartition("\n\n")
        text += "\n"
        if not blank or not lines.endswith("\n"):
            return None
        signatures = [signature for name, signature in _signatures(lines) if name == self.name]
        plain = [signature[_ID_BYTES:] for signature in signatures if signature[:_ID_BYTES] == self.id(_PLAIN)]
        timed = [signature[_ID_BYTES:] for signature in signatures if signature[:_ID_BYTES] == self.id(_TIMED)]
        if not plain or not all(self._made(signature, text) for signature in plain):
            return None
        moments = [int.from_bytes(signature[:_TIME_BYTES]) for signature in timed]
        if not all(self._made(signature[_TIME_BYTES:], _with_time(text, at)) for signature, at in zip(timed, moments, strict=True)):
            return None
        return Signed(text=text, at=datetime.fromtimestamp(max(moments), UTC) if moments else None)

    def _made(self, signature: bytes, text: str) -> bool:
        try:
            self.key.verify(signature, text.encode())
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class Signed:
    """What a note says, once its signature was verified."""

    text: str
    at: datetime | None
    """When it was signed, in whole seconds, as the signer says; None when it does not."""


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key, and the name that it signs under."""

    name: str
    key: Ed25519PrivateKey

    @classmethod
    def of(cls, name: str, seed: bytes) -> Signer:
        """Return the signer that 32 secret bytes make."""
        return cls(name, Ed25519PrivateKey.from_private_bytes(seed))

    @property
    def verifier(self) -> VerifierKey:
        """The public half."""
        return VerifierKey(self.name, self.key.public_key())

    def sign(self, text: str, at: datetime) -> str:
        """Return the note: `text`, which ends in a newline, with two signatures: one of the text alone, and one that says when."""
        moment = int(at.timestamp())
        plain = self.verifier.id(_PLAIN) + self.key.sign(text.encode())
        timed = self.verifier.id(_TIMED) + moment.to_bytes(_TIME_BYTES) + self.key.sign(_with_time(text, moment).encode())
        return f"{text}\n" + "".join(f"{_DASH} {self.name} {base64.b64encode(signature).decode()}\n" for signature in (plain, timed))


def _with_time(text: str, moment: int) -> str:
    return f"cosignature/v1\ntime {moment}\n{text}"


def _signatures(lines: str) -> Iterator[tuple[str, bytes]]:
    """Yield whose each signature is, and the signature with its key's ID; lines that are no signatures are nobody's."""
    for line in lines.split("\n"):
        dash, _, rest = line.partition(" ")
        name, _, encoded = rest.partition(" ")
        signature = _bytes(encoded)
        if dash == _DASH and signature is not None and len(signature) > _ID_BYTES:
            yield name, signature


def _bytes(encoded: str) -> bytes | None:
    try:
        return base64.b64decode(encoded, validate=True)
    except ValueError:
        return None
