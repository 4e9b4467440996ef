"""From Markdown to the document model: CommonMark with tables, by markdown-it, which keeps the lines."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token

from unioneyes.runbook.documents.model import Accepted, Block, Document, Heading, Link, Row, Table
from unioneyes.runbook.documents.reading import read_source

_ACCEPT = re.compile(r"\s*ue:\s*accept\s+(?P<rule>[a-z0-9-]+)\s*:(?P<why>.*)", re.DOTALL)
_ANCHOR = re.compile(r"<a\s[^<>]*\b(?:id|name)=[\"']([^\"']+)")
_NOT_IN_SLUGS = re.compile(r"[^\w\- ]")


def read_document(content: bytes, name: str) -> Document:
    """Return the document that a file's bytes are. Raises: DocumentUnreadable."""
    source = read_source(content, name)
    reader = _Reader(source.text)
    reader.read(MarkdownIt("commonmark").enable("table").parse(source.text))
    return Document(
        name=name,
        source=source,
        headings=tuple(reader.headings),
        anchors=frozenset({heading.slug for heading in reader.headings} | reader.anchors),
        blocks=tuple(reader.blocks),
        links=tuple(reader.links),
        tables=tuple(reader.tables),
    )


def slug_of(title: str) -> str:
    """Return the name under which a link finds a heading, as the large forges make it."""
    return _NOT_IN_SLUGS.sub("", title.strip().lower()).replace(" ", "-")


class _Reader:
    """Goes through the tokens once."""

    def __init__(self, text: str) -> None:
        self.headings: list[Heading] = []
        self.anchors: set[str] = set()
        self.blocks: list[Block] = []
        self.links: list[Link] = []
        self.tables: list[Table] = []
        self._lines = text.split("\n")
        self._slugs: Counter[str] = Counter()
        self._above: list[Heading] = []
        self._accepted: list[Accepted] = []
        self._label = ""

    def read(self, tokens: Sequence[Token]) -> None:
        """Every token's part of the document is known."""
        for at, token in enumerate(tokens):
            match token.type:
                case "heading_open":
                    self._heading(token, tokens[at + 1])
                case "fence":
                    self._fence(token)
                case "html_block":
                    self._html(token.content)
                case "table_open":
                    self._table(tokens[at:])
                case "inline":
                    self._inline(token)
                    self._label = _bold(token) if tokens[at - 1].type == "paragraph_open" and tokens[at - 1].level == 0 else ""
                case _:
                    continue
            if token.type != "html_block":
                self._accepted = []

    def _heading(self, opened: Token, inline: Token) -> None:
        title = _words(inline)
        slug = slug_of(title)
        number = self._slugs[slug]
        self._slugs[slug] += 1
        level = int(opened.tag[1:])
        while self._above and self._above[-1].level >= level:
            self._above.pop()
        path = (*(self._above[-1].path if self._above else ()), title)
        self._above.append(Heading(title=title, slug=f"{slug}-{number}" if number else slug, level=level, line=_line(opened), path=path))
        self.headings.append(self._above[-1])

    def _fence(self, token: Token) -> None:
        first, last = token.map or [0, 0]
        info, *words = token.info.split() or [""]
        closing = self._lines[last - 1].lstrip(" \t>") if last - first >= 2 else ""  # noqa: PLR2004 - a fence and its end are two lines
        closed = closing.rstrip() == closing.strip()[:1] * len(closing.rstrip()) and closing.startswith(token.markup)
        heading = self.headings[-1] if self.headings else None
        self.blocks.append(
            Block(
                info=info.lower(),
                words=tuple(words),
                code=token.content,
                line=first + 2,
                heading=heading,
                closed=closed,
                label=self._label,
                accepted=tuple(self._accepted),
            )
        )
        self._label = ""

    def _html(self, content: str) -> None:
        self.anchors.update(_ANCHOR.findall(content))
        comments = (text.partition("-->") for text in content.split("<!--")[1:])
        found = (_ACCEPT.fullmatch(inside) for inside, end, _ in comments if end)
        self._accepted += [Accepted(rule=each["rule"], why=" ".join(each["why"].split())) for each in found if each and each["why"].strip()]

    def _table(self, tokens: Sequence[Token]) -> None:
        rows = list(_rows(tokens))
        heading = self.headings[-1] if self.headings else None
        self.tables.append(Table(head=rows[0].cells, rows=tuple(rows[1:]), heading=heading))

    def _inline(self, token: Token) -> None:
        line = _line(token)
        inside: Link | None = None
        for child in token.children or []:
            match child.type:
                case "link_open" if str(child.attrGet("href") or "").startswith("#"):
                    inside = Link(text="", target=str(child.attrGet("href"))[1:], line=line)
                case "link_close" if inside:
                    self.links.append(inside)
                    inside = None
                case "softbreak" | "hardbreak":
                    line += 1
                case "html_inline":
                    self.anchors.update(_ANCHOR.findall(child.content))
                case _ if inside:
                    inside = Link(text=inside.text + child.content, target=inside.target, line=inside.line)
                case _:
                    continue


def _bold(inline: Token) -> str:
    """Return the words of a paragraph that is bold as a whole, without the colon at its end; empty when it is not."""
    children = inline.children or []
    whole = [child.type for child in children if child.type != "text" or child.content.strip()]
    return _words(inline).rstrip(":").strip() if whole[:1] == ["strong_open"] and whole[-1:] == ["strong_close"] and whole.count("strong_open") == 1 else ""


def _rows(tokens: Sequence[Token]) -> Iterator[Row]:
    cells: list[str] = []
    line = 0
    for token in tokens:
        match token.type:
            case "tr_open":
                cells, line = [], _line(token)
            case "inline":
                cells.append(_words(token))
            case "tr_close":
                yield Row(cells=tuple(cells), line=line)
            case "table_close":
                return
            case _:
                continue


def _words(inline: Token) -> str:
    """Return the text of a piece of Markdown without its markup."""
    return "".join(" " if child.type in {"softbreak", "hardbreak"} else child.content for child in inline.children or [] if child.type != "html_inline").strip()


def _line(token: Token) -> int:
    return (token.map or [0])[0] + 1
