"""A clone works anywhere: nothing in it names where it was made."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

REGISTRIES = re.compile(
    r"pypi[.]org|pythonhosted[.]org|registry[.]npmjs|proxy[.]golang|crates[.]io/api|repo1?[.]maven|--(extra-)?index-url|--find-links", re.IGNORECASE
)
MACHINE = re.compile(r"(?<![\w.$}/-])/(?:work|root|Users/\w+)/")
HERE = Path(__file__).name


def found(pattern: re.Pattern[str], texts: Mapping[Path, str]) -> list[str]:
    return [
        f"{path}:{number}: {line.strip()[:100]}"
        for path, text in texts.items()
        if path.name != HERE
        for number, line in enumerate(text.splitlines(), start=1)
        if pattern.search(line)
    ]


def test_no_file_names_a_package_registry(texts: Mapping[Path, str]) -> None:
    assert found(REGISTRIES, texts) == []


def test_no_file_names_a_path_of_the_machine_it_was_written_on(texts: Mapping[Path, str]) -> None:
    assert found(MACHINE, texts) == []


def test_no_file_names_the_folder_that_this_clone_stands_in(root: Path, texts: Mapping[Path, str]) -> None:
    assert found(re.compile(re.escape(str(root)) + r"\b"), texts) == []


def test_the_patterns_do_find_what_they_look_for() -> None:
    lines = {Path("a"): "see https://pypi" + ".org/simple", Path("b"): "cd /work/" + "main", Path("c"): "postgres/root/ and $HOME/work/ are fine"}
    assert found(REGISTRIES, lines) == [f"a:1: {lines[Path('a')]}"]
    assert found(MACHINE, lines) == [f"b:1: {lines[Path('b')]}"]
