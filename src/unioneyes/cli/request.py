"""A runbook's request as the flags of a command: one dataclass serves the command line, the API's body and the run's input."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from datetime import timedelta
from typing import Annotated, Concatenate, ParamSpec, TypeVar, get_args, get_type_hints

from cyclopts import Parameter, Token

from unioneyes.kernel.field_docs import field_docs
from unioneyes.kernel.problems import BadInput
from unioneyes.kernel.units import parse_duration

P = ParamSpec("P")
RequestT = TypeVar("RequestT")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class _Asked:
    """One field of a request, as cyclopts sees it."""

    field: Field[object]
    hint: object
    help: str
    positional: bool

    @property
    def parameter(self) -> inspect.Parameter:
        """The command's parameter for the field."""
        kind = inspect.Parameter.POSITIONAL_ONLY if self.positional else inspect.Parameter.KEYWORD_ONLY
        default = inspect.Parameter.empty if self.field.default is MISSING else self.field.default
        return inspect.Parameter(self.field.name, kind, default=default, annotation=self.annotation)

    @property
    def annotation(self) -> object:
        """Its type, and how cyclopts reads it."""
        if timedelta in (self.hint, *get_args(self.hint)):
            return Annotated[self.hint, Parameter(help=self.help, converter=duration, metavar="DURATION")]
        if self.hint == tuple[int, ...]:
            return Annotated[self.hint, Parameter(help=self.help, converter=_numbers, metavar="N,N", n_tokens=1, show_default=False, negative=())]
        if self.hint == tuple[str, ...] and not self.positional:
            return Annotated[self.hint, Parameter(help=self.help, show_default=False, negative=())]
        if self.hint is bool and self.field.default is False:
            return Annotated[bool, Parameter(help=self.help, negative=(), show_default=False)]
        return Annotated[self.hint, Parameter(help=self.help)]


def asks_for(
    kind: type[RequestT], *, positional: str | None = None, hidden: frozenset[str] = frozenset()
) -> Callable[[Callable[Concatenate[RequestT, P], R]], Callable[..., R]]:
    """Give a command the fields of `kind` as flags; the docstring under a field is the flag's help.

    `positional` names the field that is typed without a flag; the fields in `hidden` keep their default.
    """
    assert is_dataclass(kind)  # noqa: S101 - tells the type checker what every caller passes
    hints = get_type_hints(kind)
    helps = field_docs(kind)
    asked = [
        _Asked(field, hints[field.name], helps.get(field.name, ""), positional=field.name == positional) for field in fields(kind) if field.name not in hidden
    ]

    def decorate(command: Callable[Concatenate[RequestT, P], R]) -> Callable[..., R]:
        own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
        names = [one.field.name for one in asked]

        def run(*args: object, **kwargs: object) -> R:
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            request = kind(**{name: bound.arguments.pop(name) for name in names})
            return command(request, **bound.arguments)  # type: ignore[call-arg]  # the signature below holds the two together

        signature = inspect.Signature([*sorted((one.parameter for one in asked), key=lambda each: each.kind), *own])
        run.__signature__ = signature  # type: ignore[attr-defined]  # the way to tell cyclopts
        run.__wrapped__ = command  # type: ignore[attr-defined]  # where its text stands
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in signature.parameters.values()}
        run.__doc__, run.__name__, run.__module__ = command.__doc__, command.__name__, command.__module__
        return run

    return decorate


def _numbers(hint: object, tokens: tuple[Token, ...]) -> tuple[int, ...]:
    """Return what `10,50` names. Raises: BadInput."""
    del hint
    try:
        return tuple(int(number) for token in tokens for number in token.value.replace("%", "").split(","))
    except ValueError:
        raise BadInput(what=f"{tokens[0].value!r} is no list of numbers", remedy="write it as 10,50") from None


def duration(hint: object, tokens: tuple[Token, ...]) -> timedelta:
    """Return the duration that was typed: `10m`. Raises: BadInput."""
    del hint
    return parse_duration(tokens[0].value)
