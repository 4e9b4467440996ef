"""A runbook document, as it was read: headings, blocks, links, tables, and what is wrong with its text."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from unioneyes.kernel.problems import BadInput


class Language(StrEnum):
    """Languages whose blocks are steps."""

    BASH = "bash"
    SQL = "sql"


LANGUAGES = {
    "bash": Language.BASH,
    "sh": Language.BASH,
    "shell": Language.BASH,
    "sql": Language.SQL,
    "postgresql": Language.SQL,
    "pgsql": Language.SQL,
}
"""What may stand behind a fence for a block that is a step; a block of any other language is shown, and not run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """One heading."""

    title: str
    """Its words, without markup."""
    slug: str
    """What a link to it names: `1-pre-deployment-15-minutes-before`."""
    level: int
    line: int
    path: tuple[str, ...]
    """The titles above it, from the outermost on, and its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A finding that the document itself accepts, by a comment above the block: `<!-- ue: accept RULE: why -->`."""

    rule: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One fenced block."""

    info: str
    """The first word behind the fence, in small letters; empty when there is none."""
    words: tuple[str, ...]
    """The words after it: `undo`, `timeout=10m`."""
    code: str
    line: int
    """Of its first line of code, 1-based."""
    heading: Heading | None
    closed: bool
    """False when the fence that ends it is missing: it then takes the rest of the document."""
    label: str = ""
    """The bold line directly above it: `Right to Erasure`; empty when there is none."""
    accepted: tuple[Accepted, ...] = ()

    @property
    def language(self) -> Language | None:
        """The language that it runs in; None when it is shown, and not run."""
        return LANGUAGES.get(self.info)

    @property
    def path(self) -> tuple[str, ...]:
        """The headings that it stands under, the document's title left out, and its label."""
        above = self.heading.path if self.heading else ()
        return (*(above[1:] or above), *([self.label] if self.label else []))

    @property
    def section(self) -> str:
        """The same, as one text."""
        return " > ".join(self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A link to a heading of the same document."""

    text: str
    target: str
    """The slug, without `#`."""
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of a table, its cells without markup."""

    cells: tuple[str, ...]
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table."""

    head: tuple[str, ...]
    rows: tuple[Row, ...]
    heading: Heading | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Garbled:
    """Text that was UTF-8, was read as Windows-1252, and was saved so."""

    line: int
    found: str
    meant: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceText:
    """What a file says, whatever it was saved with."""

    text: str
    """With Unix line ends."""
    sha256: str
    """Of the file's bytes as they are."""
    garbled: tuple[Garbled, ...]
    windows_lines: int
    """How many lines end as Windows ends them, or as an old Mac did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One document."""

    name: str
    source: SourceText
    headings: tuple[Heading, ...]
    anchors: frozenset[str]
    """Every name that a link may have as its target."""
    blocks: tuple[Block, ...]
    links: tuple[Link, ...]
    tables: tuple[Table, ...]

    @property
    def title(self) -> str:
        """Its first heading; its name when there is none."""
        return self.headings[0].title if self.headings else self.name

    @property
    def steps(self) -> tuple[Block, ...]:
        """The blocks that run."""
        return tuple(block for block in self.blocks if block.language is not None)


class DocumentUnreadable(BadInput):
    """The document can't be read as text, or not to its end; the line is named."""
