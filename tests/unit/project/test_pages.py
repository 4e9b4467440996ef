"""The project's pages: numbered, indexed, in one form, with links that lead somewhere."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

DECISIONS = Path("docs/decisions")
LINK = re.compile(r"\[[^\]]*\]\((?!https?://|#|mailto:)(?P<target>[^)#\s]+)")
NAMED = re.compile(r"docs/decisions/\d{4}-[a-z0-9-]+\.md")


def decisions(texts: Mapping[Path, str]) -> dict[Path, str]:
    return {path: text for path, text in texts.items() if path.parent == DECISIONS and path.name != "README.md"}


def test_each_decision_has_its_own_number_and_says_it_in_its_title(texts: Mapping[Path, str]) -> None:
    pages = decisions(texts)
    assert pages
    numbers = [int(path.name[:4]) for path in pages]
    assert len(set(numbers)) == len(numbers)
    assert [path for path, text in pages.items() if not text.startswith(f"# {int(path.name[:4])}. ")] == []


def test_each_decision_gives_context_decision_and_consequence(texts: Mapping[Path, str]) -> None:
    headings = {path: re.findall(r"^## (\w+)", text, re.MULTILINE) for path, text in decisions(texts).items()}
    assert {path: found for path, found in headings.items() if found[:3] != ["Context", "Decision", "Consequence"]} == {}


def test_the_index_lists_every_decision(texts: Mapping[Path, str]) -> None:
    index = texts[DECISIONS / "README.md"]
    assert [path.name for path in decisions(texts) if f"({path.name})" not in index] == []


def test_every_link_between_pages_leads_somewhere(root: Path, texts: Mapping[Path, str]) -> None:
    pages = {path: re.sub(r"```.*?```", "", text, flags=re.DOTALL) for path, text in texts.items() if path.suffix == ".md"}
    broken = [f"{path}: {link['target']}" for path, text in pages.items() for link in LINK.finditer(text) if not (root / path.parent / link["target"]).exists()]
    assert broken == []


def test_every_decision_that_code_names_exists(root: Path, texts: Mapping[Path, str]) -> None:
    named = {(path, name) for path, text in texts.items() if path.suffix != ".md" for name in NAMED.findall(text)}
    assert {(path, name) for path, name in named if not (root / name).exists()} == set()
