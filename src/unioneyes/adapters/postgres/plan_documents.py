"""What EXPLAIN answered, without the values that stood in the statement. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import JsonValue

from unioneyes.adapters.postgres.query_texts import valueless

_LEFT_OUT = {"Output", "Query Text", "Settings", "Triggers"}
"""What is not read, and says what was asked for."""
_NAMES = {
    *{"Node Type", "Relation Name", "Schema", "Alias", "Index Name", "CTE Name", "Function Name", "Subplan Name", "Parent Relationship", "Join Type"},
    *{"Strategy", "Partial Mode", "Scan Direction", "Sort Method", "Sort Space Type", "Operation", "Command", "Cache Mode"},
}
"""Strings that hold no expression."""


def blotted(document: JsonValue, *, name: str = "") -> JsonValue:
    """Return the plan with `?` in place of each value of each condition, whatever that is called."""
    match document:
        case dict():
            return {key: blotted(value, name=key) for key, value in document.items() if key not in _LEFT_OUT}
        case list():
            return [blotted(each, name=name) for each in document]
        case str() if name not in _NAMES:
            return valueless(document)
        case _:
            return document


def tables_of(document: JsonValue) -> tuple[tuple[str, str], ...]:
    """Return schema and name of each table that the plan reads, each once."""
    return tuple(dict.fromkeys(_tables(document)))


def _tables(document: JsonValue) -> Iterator[tuple[str, str]]:
    match document:
        case list():
            for each in document:
                yield from _tables(each)
        case dict():
            schema, name = document.get("Schema"), document.get("Relation Name")
            if isinstance(schema, str) and isinstance(name, str):
                yield schema, name
            for value in document.values():
                yield from _tables(value)
        case _:
            return
