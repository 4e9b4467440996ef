"""An exception from a rule says why it is one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

NOQA = re.compile(r"#\s*(?:ruff:\s*)?noqa\b(?P<rest>.*)")
REASONED_NOQA = re.compile(r":\s*[A-Z]+[0-9]+(?:,\s*[A-Z]+[0-9]+)*\s+-\s+\S.{3,}")
TYPE_IGNORE = re.compile(r"#\s*type:\s*ignore(?P<rest>.*)")
REASONED_TYPE_IGNORE = re.compile(r"\[[a-z, -]+\]\s+#\s*\S.{3,}")
HERE = Path(__file__).name


def without_reason(text: str) -> list[str]:
    lines = []
    for line in text.splitlines():
        noqa, ignore = NOQA.search(line), TYPE_IGNORE.search(line)
        if (noqa and not REASONED_NOQA.match(noqa["rest"])) or (ignore and not REASONED_TYPE_IGNORE.match(ignore["rest"])):
            lines.append(line.strip())
    return lines


def test_every_exception_in_code_carries_its_reason(texts: Mapping[Path, str]) -> None:
    code = {path: text for path, text in texts.items() if path.suffix == ".py" and path.name != HERE}
    assert {path: lines for path, text in code.items() if (lines := without_reason(text))} == {}


def test_every_rule_that_is_switched_off_says_why(root: Path) -> None:
    text = (root / "pyproject.toml").read_text()
    section = text[text.index("[tool.ruff.lint]") : text.index("[tool.mypy]")]
    switched_off = [line for line in section.splitlines() if re.match(r'\s+"[A-Z]+[0-9]*"', line)]
    assert switched_off
    assert [line for line in switched_off if "#" not in line] == []


@pytest.mark.parametrize(
    ("line", "reasoned"),
    [
        ("x = 1  # noqa: N818 - their names are titles", True),
        ("x = 1  # noqa: N818, S101 - their names are titles", True),
        ("x = 1  # noqa: N818", False),
        ("x = 1  # noqa", False),
        ("x = 1  # type: ignore[arg-type]  # the values come from its own fields", True),
        ("x = 1  # type: ignore[arg-type]", False),
        ("x = 1  # type: ignore", False),
    ],
)
def test_a_missing_reason_is_seen(line: str, *, reasoned: bool) -> None:
    assert (without_reason(line) == []) is reasoned
