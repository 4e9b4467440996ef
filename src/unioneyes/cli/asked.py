"""What a document's plan asks for and only shows, as people read it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

from pydantic import JsonValue, TypeAdapter, ValidationError

from unioneyes.cli.output import Cell, Ink, table
from unioneyes.kernel.status import Tone
from unioneyes.runbook.documents.plan import Asked, Shown

T = TypeVar("T")


def asked_lines(ink: Ink, details: JsonValue) -> Iterator[str]:
    """Yield what is asked for, with what was given; nothing for a plan that asks for nothing."""
    asked = _part(details, "asked", tuple[Asked, ...])
    if asked:
        rows = [(each.name, _value(each), each.wanted, ", ".join(map(str, each.lines))) for each in asked]
        yield f"\n{ink.bold('Asked for')} (--set NAME=VALUE)"
        yield table(ink, ("name", "value", "has to be", "lines"), rows, empty="")


def shown_lines(ink: Ink, details: JsonValue) -> Iterator[str]:
    """Yield which blocks are shown, and not run."""
    shown = _part(details, "shown", tuple[Shown, ...])
    if shown:
        yield f"\n{ink.bold('Shown, not run')}"
        yield table(ink, ("line", "language", "under"), [(str(each.line), each.language, each.section) for each in shown], empty="")


def _value(asked: Asked) -> Cell:
    if asked.refused is not None:
        return Cell(f"✘ {asked.value or 'refused'}", Tone.BAD)
    if asked.value is not None:
        return Cell(asked.value)
    return Cell("the document's default", Tone.QUIET) if asked.optional else Cell("? will be asked", Tone.WARN)


def _part(details: JsonValue, name: str, kind: type[T]) -> T | None:
    """Return a part of a plan's details; None for another runbook's plan."""
    found = details.get(name) if isinstance(details, dict) else None
    try:
        return TypeAdapter(kind).validate_python(found) if found else None
    except ValidationError:
        return None
