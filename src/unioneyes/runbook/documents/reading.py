"""From a file's bytes to its text: what can be read is, what can't is refused with the line that it stands in."""

from __future__ import annotations

import codecs
import hashlib
import re

from unioneyes.runbook.documents.model import DocumentUnreadable, Garbled, SourceText

LARGEST = 1 << 20
"""Bytes of a document at most."""

_WIDE = {codecs.BOM_UTF16_LE: "UTF-16", codecs.BOM_UTF16_BE: "UTF-16", codecs.BOM_UTF32_LE: "UTF-32", codecs.BOM_UTF32_BE: "UTF-32"}
_OTHER_LINE_ENDS = re.compile(r"\r\n?")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u202a-\u202e\u2066-\u2069]")
"""Also those that turn the direction of what follows: what a person reads would not be what runs."""


def read_source(content: bytes, name: str) -> SourceText:
    """Return what `content` says. A byte order mark and Windows line ends are read over, text that was saved garbled is told. Raises: DocumentUnreadable."""
    if len(content) > LARGEST:
        raise DocumentUnreadable(what=f"{name} has {len(content):,} bytes", remedy=f"split it: {LARGEST:,} bytes are read at most")
    for mark, encoding in _WIDE.items():
        if content.startswith(mark):
            raise DocumentUnreadable(what=f"{name}, line 1: it is saved as {encoding}", remedy="save it as UTF-8")
    try:
        text = content.removeprefix(codecs.BOM_UTF8).decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DocumentUnreadable(
            what=f"{name}, line {line}: byte 0x{content[error.start]:02x} is no UTF-8", remedy="save it as UTF-8; the line shows which character was lost"
        ) from None
    windows_lines = len(_OTHER_LINE_ENDS.findall(text))
    text = _OTHER_LINE_ENDS.sub("\n", text)
    if control := _CONTROLS.search(text):
        line = text.count("\n", 0, control.start()) + 1
        raise DocumentUnreadable(what=f"{name}, line {line}: it holds the control character U+{ord(control[0]):04X}", remedy="remove it: nobody can see it")
    return SourceText(text=text, sha256=hashlib.sha256(content).hexdigest(), garbled=_garbled(text), windows_lines=windows_lines)


def _garbled(text: str) -> tuple[Garbled, ...]:
    found = (
        Garbled(line=number, found=run, meant=meant)
        for number, line in enumerate(text.split("\n"), start=1)
        for run in _NOT_ASCII.findall(line)
        if (meant := ungarbled(run)) is not None
    )
    return tuple(found)


def ungarbled(run: str) -> str | None:
    """Return what a run of non-ASCII characters was before its UTF-8 was read as Windows-1252; None when it is right as it is."""
    try:
        meant = b"".join(_windows_1252(character) for character in run).decode("utf-8")
    except UnicodeError:
        return None
    return meant if len(meant) < len(run) else None


def _windows_1252(character: str) -> bytes:
    """Return the byte that Windows shows as `character`; the five that it has no character for are passed through by most programs. Raises: UnicodeError."""
    try:
        return character.encode("cp1252")
    except UnicodeEncodeError:
        return character.encode("latin-1")
