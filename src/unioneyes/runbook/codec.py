"""Values as JSON and back, by their types: what is kept of a run outlives the process that made it."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from typing import TypeVar, cast, get_type_hints

from pydantic import JsonValue, PydanticUserError, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from unioneyes.kernel.problems import Problem, ProblemDocument, ReportedProblem
from unioneyes.kernel.redaction import Redactor

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptProblem:
    """A problem as it is kept, so that a run that is taken over can catch the same class again."""

    kind: str
    """`unioneyes.ports.database:MigrationDrift`."""
    fields: dict[str, JsonValue]
    document: dict[str, JsonValue]
    """The problem as people and programs read it (RFC 9457)."""

    @property
    def reported(self) -> ProblemDocument:
        """The document, typed."""
        return cast("ProblemDocument", self.document)


class NotKeepable(TypeError):  # noqa: N818 - named like the problems, beside which it is read
    """A value would come back different from what it was: its declared type does not describe it."""


BY_HASH = {"audit": "by-hash"}
"""Metadata of a request's field whose text is kept with the run alone: the audit log, where it would stay for good, keeps its SHA-256."""


def hashed_fields(kind: type[object]) -> frozenset[str]:
    """Return the names of the fields of a request's type that are `BY_HASH`."""
    return frozenset(each.name for each in fields(kind) if each.metadata == BY_HASH) if is_dataclass(kind) else frozenset()


def encode(value: object, kind: type[T]) -> JsonValue:
    """Return `value`, a `kind`, as JSON. Raises: NotKeepable."""
    adapter = _adapter(kind)
    try:
        text = adapter.dump_json(cast("T", value), warnings="error")
    except PydanticSerializationError as error:
        raise NotKeepable(f"{type(value).__name__} is not the {kind} that was declared: {error}") from None
    try:
        back: object = adapter.validate_json(text)
    except ValidationError:
        back = NotKeepable
    if back != value:
        raise NotKeepable(f"{type(value).__name__}, kept as {kind}, would come back different: {text[:200].decode(errors='replace')}")
    document: JsonValue = json.loads(text)
    return document


def decode(document: JsonValue, kind: type[T]) -> T:
    """Return the `kind` that `document` describes. Raises: pydantic.ValidationError."""
    return _adapter(kind).validate_json(json.dumps(document))


def keep_problem(problem: Problem, redact: Redactor) -> KeptProblem:
    """Return `problem` as it is kept, without secrets. One whose fields can't be kept is kept as reported."""
    document = redacted_fields(problem_json(problem.document()), redact)
    reported = KeptProblem(kind=_name(ReportedProblem), fields={}, document=document)
    if isinstance(problem, ReportedProblem):
        return reported
    hints = get_type_hints(type(problem))
    try:
        kept = {field.name: encode(getattr(problem, field.name), hints[field.name]) for field in fields(problem)}
    except (NotKeepable, PydanticUserError):
        return reported
    return KeptProblem(kind=_name(type(problem)), fields=redacted_fields(kept, redact), document=document)


def recall_problem(kept: KeptProblem) -> Problem:
    """Return the problem that was kept: of its own class, or as reported when that class is no more."""
    kind = next((kind for kind in _descendants(Problem) if _name(kind) == kept.kind), ReportedProblem)
    if kind is ReportedProblem:
        return ReportedProblem.read(kept.reported)
    hints = get_type_hints(kind)
    return kind(**{name: decode(value, hints[name]) for name, value in kept.fields.items()})


def redacted(value: JsonValue, redact: Callable[[str], str]) -> JsonValue:
    """Return `value` without secrets in any of its texts."""
    match value:
        case str():
            return redact(value)
        case list():
            return [redacted(item, redact) for item in value]
        case dict():
            return redacted_fields(value, redact)
        case _:
            return value


def redacted_fields(document: dict[str, JsonValue], redact: Callable[[str], str]) -> dict[str, JsonValue]:
    """Return `document` without secrets in any of its texts."""
    return {name: redacted(value, redact) for name, value in document.items()}


def problem_json(document: ProblemDocument) -> dict[str, JsonValue]:
    """Return a problem's document as any other JSON."""
    return cast("dict[str, JsonValue]", document)


def _adapter(kind: type[T]) -> TypeAdapter[T]:
    return cast("TypeAdapter[T]", _made_once(cast("Hashable", kind)))


@cache
def _made_once(kind: Hashable) -> TypeAdapter[object]:
    return TypeAdapter(kind)  # type: ignore[arg-type]  # a type, by its only caller


def _name(kind: type) -> str:
    return f"{kind.__module__}:{kind.__qualname__}"


def _descendants(kind: type[Problem]) -> Iterator[type[Problem]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _descendants(child)
