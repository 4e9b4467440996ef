"""A script's words, statement by statement: enough to tell what a statement is about, without a parser."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from unioneyes.adapters.postgres.statements import blanked

_TOKEN = re.compile(r'"(?:[^"]|"")*"|[A-Za-z_][\w$]*|[.,;()]')


@dataclass(frozen=True, slots=True)
class Token:
    """A word, a quoted name or a mark; literals, numbers and comments are none."""

    name: str
    """As the catalogue spells it: unquoted words in small letters."""
    keyword: str
    """In capitals; empty for a quoted name, which is never a keyword."""
    line: int
    """1-based, of the script."""


def spoken(script: str) -> Iterator[list[Token]]:
    """Yield the words of each statement of `script`."""
    text = blanked(script, names=True)
    tokens: list[Token] = []
    line, at = 1, 0
    for match in _TOKEN.finditer(text):
        line, at = line + text.count("\n", at, match.start()), match.start()
        word = match[0]
        if word == ";":
            if tokens:
                yield tokens
            tokens = []
        elif word.startswith('"'):
            tokens.append(Token(word[1:-1].replace('""', '"'), "", line))
        else:
            tokens.append(Token(word.lower(), word.upper(), line))
    if tokens:
        yield tokens


def parts(tokens: Sequence[Token]) -> Iterator[Sequence[Token]]:
    """Yield what stands between the commas outside of brackets."""
    part: list[Token] = []
    depth = 0
    for token in tokens:
        depth += (token.name == "(") - (token.name == ")")
        if token.name == "," and depth == 0:
            yield part
            part = []
        else:
            part.append(token)
    if part:
        yield part


def name(tokens: Sequence[Token]) -> tuple[str, ...]:
    """Return the name that `tokens` begin with, part by part."""
    return named(tokens)[0]


def named(tokens: Sequence[Token]) -> tuple[tuple[str, ...], Sequence[Token]]:
    """Return the name that `tokens` begin with, part by part, and what stands behind it."""
    rest = behind(tokens, "TABLE", "IF", "NOT", "EXISTS", "ONLY")
    spelled = [token.name for token in rest[:1]]
    rest = rest[1:]
    while len(rest) > 1 and rest[0].name == ".":
        spelled.append(rest[1].name)
        rest = rest[2:]
    return tuple(spelled), rest


def behind(tokens: Sequence[Token], *words: str) -> Sequence[Token]:
    """Return `tokens` without those of `words` that they begin with."""
    at = 0
    while at < len(tokens) and tokens[at].keyword in words:
        at += 1
    return tokens[at:]


def indexed(tokens: Sequence[Token]) -> tuple[str | None, tuple[str, ...]]:
    """Return the name of the index that CREATE INDEX makes, None where it has none, and its table's, part by part."""
    rest = behind(tokens[1:], "UNIQUE", "INDEX", "CONCURRENTLY")
    at = next((place for place, token in enumerate(tokens) if token.keyword == "ON"), len(tokens))
    called = name(rest)
    return (None if rest[:1] and rest[0].keyword == "ON" else called[-1] if called else None), name(tokens[at + 1 :])


def unnamed(script: str) -> Iterator[int]:
    """Yield the line of each statement that builds an index CONCURRENTLY, and gives it no name."""
    for tokens in spoken(script):
        words = [token.keyword for token in tokens if token.keyword != "UNIQUE"]
        if words[:3] == ["CREATE", "INDEX", "CONCURRENTLY"] and indexed(tokens)[0] is None:
            yield tokens[0].line
