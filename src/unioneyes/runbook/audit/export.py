"""The log as a file: what verifies it needs nothing else but the public key. Pure.

JSON lines. The first says what it is and holds the checkpoints; each of the others is one leaf of the tree, in order, with the very text that was sealed.
"""

from __future__ import annotations

import base64
import json
from binascii import a2b_base64
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import from_json

from unioneyes.runbook.audit.problems import AuditFileMalformed

FORMAT = "unioneyes-audit-1"


class Header(BaseModel):
    """The first line."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: str
    key: str
    """What the checkpoints are said to be verified by. Whoever verifies must know the key from elsewhere."""
    checkpoints: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ExportedLeaf:
    """One of the other lines."""

    index: int
    leaf_hash: bytes
    entry: str | None
    """None when the entry was missing where the file was written."""


def header_line(*, key: str, checkpoints: tuple[str, ...]) -> str:
    """Return the first line of an export."""
    return f"{Header(format=FORMAT, key=key, checkpoints=checkpoints).model_dump_json()}\n"


def leaf_line(index: int, leaf_hash: bytes, entry: str | None) -> str:
    """Return the line of one leaf."""
    document = {"index": index, "leaf_hash": base64.b64encode(leaf_hash).decode(), "entry": entry}
    return f"{json.dumps(document, separators=(',', ':'))}\n"  # in ASCII: some readers take U+2028 and its like for the end of a line


def read_export(lines: Iterable[str]) -> tuple[Header, Iterator[ExportedLeaf]]:
    """Return what the lines of an export say; the leaves are read as they are asked for. Raises, then too: AuditFileMalformed."""
    left = iter(lines)
    try:
        header = Header.model_validate_json(next(left, ""))
    except ValidationError:
        raise _malformed("its first line is no header") from None
    if header.format != FORMAT:
        raise _malformed(f"its form is {header.format[:40]!r}, and this release reads {FORMAT}")
    return header, _leaves(left)


def _leaves(lines: Iterator[str]) -> Iterator[ExportedLeaf]:
    for number, line in enumerate(lines, start=2):
        try:
            document = from_json(line)
            index, leaf_hash, entry = document["index"], a2b_base64(document["leaf_hash"], strict_mode=True), document["entry"]
        except (ValueError, TypeError, KeyError):
            raise _malformed(f"its line {number} is no leaf") from None
        if type(index) is not int or not isinstance(entry, str | None):
            raise _malformed(f"its line {number} is no leaf")
        yield ExportedLeaf(index, leaf_hash, entry)


def _malformed(why: str) -> AuditFileMalformed:
    return AuditFileMalformed(what=f"this is no export of an audit log: {why}", remedy="ue audit export --to FILE writes one")
