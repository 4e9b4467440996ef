"""What the audit log must hold is looked for by a test that did it: for each kind of entry one on a real database, so that none can be left out unseen."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

from unioneyes.runbook.audit.entry import Action

ON_REAL_DATABASES = (Path("tests/drills"), Path("tests/contract"))


def test_each_kind_of_entry_is_looked_for_by_a_test_on_a_real_database(texts: Mapping[Path, str]) -> None:
    trees = [ast.parse(text) for path, text in texts.items() if path.suffix == ".py" and any(map(path.is_relative_to, ON_REAL_DATABASES))]
    looked_for = {name for tree in trees for name in _looked_for(tree)}
    assert set(Action) - looked_for == set()


def test_an_entry_that_a_test_makes_itself_is_not_looked_for() -> None:
    made = ast.parse("AuditEntry(action=Action.LINE_LIFTED, actor='a')\nprint('line-stopped')\nassert told == [(Action.RUN_ENDED, 'run-begun')]")
    assert set(_looked_for(made)) == {Action.RUN_ENDED, Action.RUN_BEGUN}


def _looked_for(tree: ast.AST) -> Iterator[Action]:
    """Yield what a test compares or asks the log for; what it writes there itself proves nothing."""
    for node in ast.walk(tree):
        match node:
            case ast.Compare() | ast.Call(func=ast.Attribute(attr="audited")):
                yield from _named(node)
            case _:
                pass


def _named(node: ast.AST) -> Iterator[Action]:
    for inner in ast.walk(node):
        match inner:
            case ast.Attribute(value=ast.Name(id="Action"), attr=name) if name in Action.__members__:
                yield Action[name]
            case ast.Constant(value=str(text)) if text in set(Action):
                yield Action(text)
            case _:
                pass
