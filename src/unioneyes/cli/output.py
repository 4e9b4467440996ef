"""Results on stdout, everything else on stderr; colour for a terminal only, and never colour alone."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from unioneyes.cli.options import Format, Output
from unioneyes.cli.reach import with_flags
from unioneyes.kernel.files import replace_by_parts
from unioneyes.kernel.problems import ExitCode, Problem
from unioneyes.kernel.status import Look, Tone

if TYPE_CHECKING:
    from pydantic import JsonValue

_ANSI = {Tone.GOOD: "32", Tone.BAD: "1;31", Tone.WARN: "33", Tone.BUSY: "36", Tone.QUIET: "2"}


@dataclass(frozen=True, slots=True)
class Ink:
    """Writes for people: with colour where the stream is a terminal, without elsewhere."""

    colour: bool

    @classmethod
    def of(cls, stream: TextIO) -> Ink:
        """Return the ink for `stream`."""
        return cls(stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb")

    def tone(self, tone: Tone, text: str) -> str:
        """Return `text` in the colour of `tone`."""
        return f"\033[{_ANSI[tone]}m{text}\033[0m" if self.colour and text else text

    def bold(self, text: str) -> str:
        """Return `text` set off."""
        return f"\033[1m{text}\033[0m" if self.colour and text else text

    def quiet(self, text: str) -> str:
        """Return `text` in the background."""
        return self.tone(Tone.QUIET, text)

    def look(self, look: Look) -> str:
        """Return a status: icon, word and colour."""
        return self.tone(look.tone, f"{look.icon} {look.word}")


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table."""

    text: str
    tone: Tone | None = None


def status_cell(look: Look) -> Cell:
    """Return a cell that shows a status."""
    return Cell(f"{look.icon} {look.word}", look.tone)


def table(ink: Ink, columns: Sequence[str], rows: Iterable[Sequence[str | Cell]], *, empty: str) -> str:
    """Return rows in aligned columns; `empty` when there are none."""
    cells = [[cell if isinstance(cell, Cell) else Cell(cell) for cell in row] for row in rows]
    if not cells:
        return empty
    widths = [max(len(columns[at]), *(len(row[at].text) for row in cells)) for at in range(len(columns))]
    lines = [ink.quiet("  ".join(name.upper().ljust(width) for name, width in zip(columns, widths, strict=True)).rstrip())]
    for row in cells:
        shown = [cell.text.ljust(width) for cell, width in zip(row, widths, strict=True)]
        shown[-1] = shown[-1].rstrip()
        lines.append("  ".join(ink.tone(cell.tone, text) if cell.tone else text for cell, text in zip(row, shown, strict=True)).rstrip())
    return "\n".join(lines)


def facts(ink: Ink, pairs: Iterable[tuple[str, str]], *, indent: str = "") -> str:
    """Return name-value lines, aligned."""
    known = [(name, value) for name, value in pairs if value]
    width = max((len(name) for name, _ in known), default=0)
    return "\n".join(f"{indent}{ink.quiet(name.ljust(width))}  {value}" for name, value in known)


def cut(text: str, length: int) -> str:
    """Return `text` in so many characters at most; `…` stands for the rest."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def result(output: Output, document: JsonValue, people: Callable[[Ink], str]) -> None:
    """Print a result in the form that was asked for, to stdout or to the file that was named."""
    if output.to is None:
        put(_formed(output.output, document, people, Ink.of(sys.stdout)))
    else:
        write(output.to, (_formed(output.output, document, people, Ink(colour=False)), "\n"))
        say(f"written: {output.to}")


def put(text: str) -> None:
    """Print a result, or a part of one that goes on."""
    print(text, flush=True)  # noqa: T201 - stdout is where it belongs


def say(text: str) -> None:
    """Tell the person something that is no result."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - stderr is where it belongs


def report(problem: Problem, *, as_json: bool, code: ExitCode | None = None, flags: str = "") -> ExitCode:
    """Print a problem to stderr; return the exit code that it asks for, or `code`, to which what came of it afterwards has led.

    The commands of its remedy get `flags`: the person who reads it means the same environment as before.
    """
    document = problem.document().copy()
    document["remedy"] = with_flags(document["remedy"], flags)
    document["exit_code"] = document["exit_code"] if code is None else int(code)
    if as_json:
        say(json.dumps(document))
    else:
        ink = Ink.of(sys.stderr)
        say(f"{ink.tone(Tone.BAD, '✘')} {document['detail']}")
        say(f"  {ink.bold('remedy:')} {document['remedy']}")
        say(ink.quiet(f"  {problem.code} (exit code {document['exit_code']})"))
    return ExitCode(document["exit_code"])


def _formed(form: Format, document: JsonValue, people: Callable[[Ink], str], ink: Ink) -> str:
    if form is Format.JSON:
        return json.dumps(document, indent=2, ensure_ascii=False)
    if form is Format.JSONL:
        items = document if isinstance(document, list) else [document]
        return "\n".join(json.dumps(item, ensure_ascii=False) for item in items)
    return people(ink)


def write(path: Path, parts: Iterable[str]) -> None:
    """The file holds `parts`, one behind the other, whole or not at all. Raises: NotWritten, and what comes from `parts`."""
    try:
        replace_by_parts(path, parts)
    except OSError as error:
        raise NotWritten(what=f"{path} can't be written: {error.strerror}", remedy="name another file with --to") from None


class NotWritten(Problem):
    """The result could not be written to the file; what was asked for is done."""
