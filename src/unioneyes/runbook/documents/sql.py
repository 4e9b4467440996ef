"""What an SQL block does, as far as its words tell: its statements, and whether they only read."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

NAME = r"[A-Za-z0-9_$\x80-\U0010ffff]"
"""A character of a name: every one beyond ASCII is, whatever it looks like. Source: PostgreSQL's scan.l."""
_LETTER = r"[A-Za-z_\x80-\U0010ffff]"
_TOKEN = re.compile(
    rf"""
      (?P<comment>--[^\n]*)
    | (?P<nested>/\*)
    | (?P<literal>(?<!{NAME})[eE]'(?:[^'\\]|''|\\.)*' | '(?:[^']|'')*')
    | (?P<name>"(?:[^"]|"")*")
    | (?P<body>(?<!{NAME})\$(?:{_LETTER}[A-Za-z0-9_\x80-\U0010ffff]*)?\$)
    | (?P<unended>['"])
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT_EDGE = re.compile(r"/\*|\*/")
_CALL = re.compile(rf"({_LETTER}(?:{NAME}|\.)*)\s*\(")
_QUOTED_CALL = re.compile(r'"\s*\(')
_QUOTED_NAME = re.compile(r'"(?:[^"]|"")*"')
_WORD = re.compile(rf"{_LETTER}{NAME}*")
_FIRST = {"SELECT", "TABLE", "VALUES", "SHOW", "EXPLAIN", "WITH"}
_CHANGES = {
    *{"INSERT", "UPDATE", "DELETE", "MERGE", "TRUNCATE", "INTO", "SHARE", "CALL", "DO", "COPY", "LOCK", "CREATE", "ALTER", "DROP", "GRANT", "REVOKE"},
    *{"REFRESH", "SET", "EXECUTE", "PREPARE", "NOTIFY", "VACUUM", "REINDEX", "CLUSTER"},
}
"""Words that no statement holds which only reads. `SHARE`: rows are locked. `EXPLAIN (ANALYZE) UPDATE` carries the update out."""
_NO_CALL = {"IN", "AND", "OR", "NOT", "ON", "AS", "EXISTS", "VALUES", "FILTER", "OVER", "WHERE", "FROM", "SELECT", "EXPLAIN", "INTERVAL", "ANY", "ALL", "BY"}
_READING = {
    *{"count", "sum", "avg", "min", "max", "array_agg", "string_agg", "json_agg", "jsonb_agg", "bool_and", "bool_or", "row_number", "rank", "lag", "lead"},
    *{"now", "age", "date_trunc", "date_part", "extract", "to_char", "to_timestamp", "make_interval", "clock_timestamp", "current_setting"},
    *{"coalesce", "nullif", "greatest", "least", "round", "abs", "floor", "ceil", "lower", "upper", "length", "left", "right", "substring", "split_part"},
    *{"replace", "trim", "concat", "format", "cast", "row", "array", "unnest", "generate_series", "numeric", "varchar", "char"},
    *{"pg_size_pretty", "pg_database_size", "pg_total_relation_size", "pg_relation_size", "pg_table_size", "pg_indexes_size", "pg_get_indexdef"},
    *{"pg_last_xact_replay_timestamp", "pg_last_wal_replay_lsn", "pg_last_wal_receive_lsn", "pg_current_wal_lsn", "pg_wal_lsn_diff", "pg_is_in_recovery"},
    *{"pg_backend_pid", "pg_blocking_pids", "pg_postmaster_start_time", "current_database", "version", "has_table_privilege", "pg_get_viewdef"},
}
"""Functions of PostgreSQL that are known to change nothing; whatever else is called may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One statement."""

    text: str
    """Without comments; literals are emptied: `WHERE state = ''`."""
    line: int
    """1-based, within the block, of its first word."""

    @property
    def verb(self) -> str:
        """Its first word, in capitals."""
        found = _WORD.search(self.text)
        return found[0].upper() if found else ""

    @property
    def only_reads(self) -> bool:
        """True when nothing in it can change anything; whatever isn't known to be harmless may."""
        words = {word.upper() for word in _WORD.findall(_QUOTED_NAME.sub('""', self.text))}
        calls = {name for name in _CALL.findall(self.text) if name.upper() not in _NO_CALL}
        called = {name.lower().removeprefix("pg_catalog.") for name in calls}
        return self.verb in _FIRST and not words & _CHANGES and called <= _READING and not _QUOTED_CALL.search(self.text)


class Place(StrEnum):
    """Where a character of SQL stands."""

    CODE = "code"
    COMMENT = "comment"
    LITERAL = "literal"
    """A literal, a dollar-quoted body, or a quoted name."""
    UNENDED = "unended"
    """Behind a quote or the beginning of a comment that is never ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A piece of SQL that is no code: what stands in it is never read as such."""

    place: Place
    start: int
    end: int


def place_of(code: str, at: int) -> Place:
    """Return where the character `at` stands."""
    spans = _spans(code)
    before = bisect_right(spans, at, key=lambda span: span.start) - 1
    return spans[before].place if before >= 0 and at < spans[before].end else Place.CODE


def unended_at(code: str) -> int | None:
    """Return the line, 1-based, of a quote or a comment that is never ended; None when all are."""
    return next((code.count("\n", 0, span.start) + 1 for span in _spans(code) if span.place is Place.UNENDED), None)


def read_statements(code: str) -> tuple[Statement, ...]:
    """Return the statements of an SQL block."""
    bared = _bared(code)
    found: list[Statement] = []
    at = 0
    for part in bared.split(";"):
        if part.strip():
            before = at + len(part) - len(part.lstrip())
            found.append(Statement(text=part.strip(), line=bared.count("\n", 0, before) + 1))
        at += len(part) + 1
    return tuple(found)


@lru_cache(maxsize=64)
def _spans(code: str) -> tuple[Span, ...]:
    return tuple(_found_spans(code))


def _found_spans(code: str) -> Iterator[Span]:
    at = 0
    while (found := _TOKEN.search(code, at)) is not None:
        place = Place.COMMENT if found["comment"] or found["nested"] else Place.UNENDED if found["unended"] else Place.LITERAL
        end: int | None = found.end()
        if found["nested"]:
            end = _comment_end(code, found.end())
            place = Place.UNENDED if end is None else place
        if found["body"]:
            closing = code.find(found["body"], found.end())
            end, place = closing + len(found["body"]), Place.UNENDED if closing < 0 else place
        at = len(code) if place is Place.UNENDED or end is None else end
        yield Span(place=place, start=found.start(), end=at)


def _comment_end(code: str, inside: int) -> int | None:
    """Return where the comment ends that began before `inside`; PostgreSQL's comments nest. None when it never ends."""
    depth = 1
    for edge in _COMMENT_EDGE.finditer(code, inside):
        depth += 1 if edge[0] == "/*" else -1
        if depth == 0:
            return edge.end()
    return None


def _bared(code: str) -> str:
    """Return `code` with blanks in place of comments and of what stands in literals; lines stay where they are, and quoted names as they are."""
    parts: list[str] = []
    at = 0
    for span in _spans(code):
        piece = code[span.start : span.end]
        hidden = re.sub(r"[^\n]", " ", piece)
        if span.place is Place.LITERAL:
            hidden = piece if piece.startswith('"') else f"'{hidden[2:]}'"
        parts += [code[at : span.start], hidden]
        at = span.end
    return "".join([*parts, code[at:]])
