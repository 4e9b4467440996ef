"""The numbers of a module, with the docstrings below them."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from types import ModuleType

from unioneyes.kernel.units import format_duration


def numbers(module: ModuleType) -> Iterator[tuple[str, str, str]]:
    """Yield the name, the value and the docstring of each public number and duration of `module`, in the order of its text."""
    for assigned, below in pairwise(ast.parse(inspect.getsource(module)).body):
        match assigned, below:
            case ast.Assign(targets=[ast.Name(id=name)]), ast.Expr(value=ast.Constant(value=str(said))) if not name.startswith("_"):
                value: object = getattr(module, name)
                if isinstance(value, int | float | timedelta):
                    yield name, format_duration(value) if isinstance(value, timedelta) else f"{value:,g}", " ".join(said.split())
