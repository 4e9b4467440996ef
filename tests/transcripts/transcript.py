"""Executable transcripts: what a person types, and what it prints.

A page is a list of commands. What follows `$` is typed; then stdout as it is, stderr with `! ` before each line, and `? N` when the exit code is
not 0. `...` alone stands for any number of lines, `*` within one for anything. What differs from run to run is named: `<run>`, `<time>`, `<took>`,
`<hash>`, `<home>`, `<port>`, ... A typed `<run>` is the last one that was printed.
Lines that begin with `#` are for the reader. `TRANSCRIPTS=write pytest tests/transcripts` writes what was printed into the pages.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import unified_diff
from fnmatch import fnmatchcase
from pathlib import Path

from tests.stack import Said

ANY = "..."
RUN = re.compile(r"\b(?:app|backup|database|deployment|edge|rollback)-\d{8}-\d{6}-[2-9a-z]{5}")
NAMES = (
    (RUN, "<run>"),
    (re.compile(r"\bworker-\d{8}-\d{6}-[2-9a-z]{5}"), "<worker>"),
    (re.compile(r"\b(?:backup|before_(?:migration|rollback))_\d{8}_\d{6}"), "<backup>"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC"), "<time>"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)"), "<time>"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "<hash>"),
    (re.compile(r"\b(?:\d+ (?:d|h|min) )*\d+(?:\.\d+)? (?:ms|s|min|h|d)\b"), "<took>"),
    (re.compile(r"(127\.0\.0\.1:)\d+"), r"\1<port>"),
    (re.compile(r"(?<=-p )\d+"), "<port>"),
    (re.compile(r"/tmp/ue-\d+-[0-9a-f]{8}"), "<sockets>"),  # noqa: S108 - a pattern, not a path
    (re.compile(r"\S+/bin/python"), "python"),
    (re.compile(r"^ue \d+\.\d+\.\d+\S*$", re.MULTILINE), "ue <version>"),
    (re.compile(r"  +"), "  "),  # columns are as wide as what stands in them
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One command and what it answers."""

    above: tuple[str, ...]
    """Lines for the reader, before the command."""
    typed: str
    answer: tuple[str, ...]

    def words(self, run: str) -> list[str]:
        """Return the command's words without `ue`; `run` stands for `<run>`."""
        program, *words = shlex.split(self.typed)
        assert program == "ue", self.typed
        return [word.replace("<run>", run) for word in words]


def read(path: Path) -> tuple[Exchange, ...]:
    """Return the page's exchanges."""
    return tuple(_exchanges(path.read_text().splitlines()))


def _exchanges(lines: list[str]) -> Iterator[Exchange]:
    above: list[str] = []
    typed, answer = "", list[str]()
    for line in [*lines, "$ "]:
        if not line.startswith("$ "):
            (answer if typed else above).append(line)
            continue
        if typed:
            below = next((at for at, each in enumerate(answer) if each.startswith("#")), len(answer))
            yield Exchange(above=tuple(above), typed=typed, answer=tuple(_stripped(answer[:below])))
            above = answer[below:]
        typed, answer = line.removeprefix("$ "), []


def _stripped(lines: list[str]) -> list[str]:
    """Return `lines` without the empty ones at the end."""
    while lines and not lines[-1]:
        lines = lines[:-1]
    return lines


def answered(said: Said, home: Path | None) -> tuple[str, ...]:
    """Return what a command answered as a page has it."""
    out = named(said.out, home).splitlines()
    err = [f"! {line}".rstrip() for line in named(said.err, home).splitlines()]
    return (*_stripped(out), *err, *([f"? {said.code}"] if said.code else []))


def named(text: str, home: Path | None) -> str:
    """Return `text` with names for what differs from run to run."""
    if home is not None:
        text = text.replace(str(home), "<home>")
    for pattern, name in NAMES:
        text = pattern.sub(name, text)
    return "\n".join(line.rstrip() for line in text.splitlines())


def fits(expected: tuple[str, ...], found: tuple[str, ...]) -> bool:
    """Return whether `found` is what the page says; `*` within a line stands for anything."""
    if not expected:
        return not found
    if expected[0] == ANY:
        return any(fits(expected[1:], found[skipped:]) for skipped in range(len(found) + 1))
    return bool(found) and _same(found[0], expected[0]) and fits(expected[1:], found[1:])


def _same(found: str, expected: str) -> bool:
    return found == expected or ("*" in expected and fnmatchcase(found, expected.replace("[", "[[]")))


def play(page: Path, ue: Callable[[list[str]], Said], *, home: Path | None, write: bool) -> None:
    """Type every command of the page and compare, or write down, what it answers."""
    played: list[Exchange] = []
    run = "no-run"
    for exchange in read(page):
        said = ue(exchange.words(run))
        run = ([run, *RUN.findall(said.out + said.err)])[-1]
        found = answered(said, home)
        if not write:
            told = _text((f"$ {exchange.typed}", *unified_diff(exchange.answer, found, "the page says", "it printed", lineterm="")))
            assert fits(exchange.answer, found), told
        kept = exchange.answer if fits(exchange.answer, found) else found
        played.append(Exchange(above=exchange.above, typed=exchange.typed, answer=kept))
    if write:
        page.write_text("\n\n".join(_text((*exchange.above, f"$ {exchange.typed}", *exchange.answer)) for exchange in played) + "\n")


def _text(lines: tuple[str, ...]) -> str:
    return "\n".join(lines)
