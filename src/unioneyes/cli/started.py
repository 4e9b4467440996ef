"""Which command starts which runbook, read from the commands' own code: from the name that each hands to `launch`."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator

from unioneyes.cli.command import load
from unioneyes.cli.launch import launch
from unioneyes.cli.tree import VERBS


def commands() -> dict[str, str]:
    """Return what a person types to start a runbook, by the runbook's name: `ue rollback traffic`. Of several commands, the first one of the table."""
    return {runbook: f"ue {verb.words} {verb.takes}".rstrip() for verb in reversed(VERBS) for runbook in _started_by(inspect.unwrap(load(verb)))}


def _started_by(command: Callable[..., object]) -> Iterator[str]:
    known: dict[str, object] = getattr(command, "__globals__", {})
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(command)))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and known.get(node.func.id) is launch:
            yield from _texts(node.args[0], known)


def _texts(node: ast.expr, known: dict[str, object]) -> Iterator[str]:
    """Yield every text that an expression may come to."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.Name(id=name) if isinstance(known_text := known.get(name), str):
            yield known_text
        case ast.IfExp(body=one, orelse=other):
            yield from _texts(one, known)
            yield from _texts(other, known)
