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
    """Return what a person types to start a runbook, by the runbook's name: `ue rollback traffic`. Of several commands, the first one of the table.

    One that only plans it starts nothing. Where a command starts it with a flag alone, the flag is named: `ue db connections --kill-idle`.
    """
    found = ((verb, started) for verb in reversed(VERBS) for started in _started_by(inspect.unwrap(load(verb))))
    return {runbook: " ".join(part for part in ("ue", verb.words, verb.takes, flags) if part) for verb, (runbook, flags) in found}


def _started_by(command: Callable[..., object]) -> Iterator[tuple[str, str]]:
    """Yield the name of each runbook that a command starts, and the flags without which it does not."""
    known: dict[str, object] = getattr(command, "__globals__", {})
    yield from _launches(ast.parse(textwrap.dedent(inspect.getsource(command))), "", known, frozenset(inspect.signature(command).parameters))


def _launches(node: ast.AST, flags: str, known: dict[str, object], asked: frozenset[str]) -> Iterator[tuple[str, str]]:
    within: list[tuple[ast.AST, str]]
    match node:
        case ast.If(test=ast.Name(id=flag)) if flag in asked:
            behind = f"{flags} --{flag.replace('_', '-')}".strip()
            within = [*((each, behind) for each in node.body), *((each, flags) for each in node.orelse)]
        case _:
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and known.get(node.func.id) is launch and not _only_plans(node):
                yield from ((runbook, flags) for runbook in _texts(node.args[0], known))
            within = [(each, flags) for each in ast.iter_child_nodes(node)]
    for each, needed in within:
        yield from _launches(each, needed, known, asked)


def _only_plans(call: ast.Call) -> bool:
    given = (keyword for node in ast.walk(call) if isinstance(node, ast.Call) for keyword in node.keywords)
    return any(keyword.arg == "dry_run" and isinstance(keyword.value, ast.Constant) and keyword.value.value is True for keyword in given)


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
