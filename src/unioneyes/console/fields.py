"""What each field of the API's schemas means: the words that stand under it in the code."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import is_dataclass
from typing import get_args, get_type_hints

from fastapi.routing import APIRoute
from pydantic import BaseModel, JsonValue
from typing_extensions import is_typeddict  # the typing module's own does not know this one's

from unioneyes.kernel.field_docs import field_docs


def document_fields(schemas: dict[str, JsonValue], routes: Sequence[APIRoute]) -> None:
    """Each of the `schemas` that is made of a class of ours says of its fields what the class says."""
    for kind in _kinds(routes, schemas):
        schema = schemas[kind.__name__]
        properties = schema.get("properties") if isinstance(schema, dict) else None
        for name, text in field_docs(kind).items():
            described = properties.get(name) if isinstance(properties, dict) else None
            if isinstance(described, dict):
                described.setdefault("description", text)


def _kinds(routes: Sequence[APIRoute], schemas: dict[str, JsonValue]) -> list[type]:
    """Return the classes that the routes take and answer, and those that they are made of."""
    found: dict[str, type] = {}
    left = [hint for route in routes for hint in _said(route)]
    while left:
        hint = left.pop()
        left.extend(get_args(hint))
        if isinstance(hint, type) and hint.__name__ in schemas and hint.__name__ not in found and _has_fields(hint):
            found[hint.__name__] = hint
            left.extend(get_type_hints(hint).values())
    return list(found.values())


def _has_fields(kind: type) -> bool:
    return is_dataclass(kind) or is_typeddict(kind) or issubclass(kind, BaseModel)


def _said(route: APIRoute) -> Iterator[object]:
    yield from get_type_hints(route.endpoint).values()
    yield route.response_model
    for answer in route.responses.values():
        yield answer.get("model")
