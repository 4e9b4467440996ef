"""Nothing that is secret is the same for everybody."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

SECRET = re.compile(r"(^|_)(password|passwd|secret|token|api_key|private_key)s?$", re.IGNORECASE)


def defaults(text: str) -> Iterator[str]:
    """Yield each field and parameter that holds a secret and has a value when nobody gives one; a value of None is no secret."""
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=kind, value=value) if value is not None:
                if "SecretStr" in ast.unparse(kind) and not _is_none(value):
                    yield name
            case ast.arguments():
                positional = [*node.posonlyargs, *node.args]
                given = [
                    *zip(positional[len(positional) - len(node.defaults) :], node.defaults, strict=True),
                    *zip(node.kwonlyargs, node.kw_defaults, strict=True),
                ]
                for parameter, default in given:
                    holds = SECRET.search(parameter.arg) or "SecretStr" in ast.unparse(parameter.annotation or ast.Constant(""))
                    if holds and default is not None and not _is_none(default):
                        yield parameter.arg
            case _:
                pass


def _is_none(value: ast.expr) -> bool:
    """Return whether it says that there is none: by None, or by an empty text, which opens nothing."""
    return isinstance(value, ast.Constant) and value.value in {None, ""}


def test_no_field_and_no_parameter_of_the_product_brings_a_secret_along(texts: Mapping[Path, str]) -> None:
    """Other literals that look like one are the linter's (S105 to S107): it knows each exception with its reason."""
    product = {path: [*defaults(text)] for path, text in texts.items() if path.suffix == ".py" and path.is_relative_to("src")}
    assert product
    assert {path: found for path, found in product.items() if found} == {}


@pytest.mark.parametrize(
    "text",
    [
        "class Settings:\n  password: SecretStr = SecretStr('admin')",
        "class Settings:\n  key: SecretStr | None = Field(default=SecretStr('x'))",
        "def login(*, token='letmein'): ...",
        "def login(api_token: str = 'x', /): ...",
        "def login(by: SecretStr = DEFAULT): ...",
    ],
)
def test_one_that_did_would_be_found(text: str) -> None:
    assert [*defaults(text)]


@pytest.mark.parametrize("text", ["class S:\n  password: SecretStr", "def f(token: str, other='x'): ...", "def f(token=None, *, secret: str = ''): ..."])
def test_what_asks_for_it_is_not(text: str) -> None:
    assert not [*defaults(text)]
