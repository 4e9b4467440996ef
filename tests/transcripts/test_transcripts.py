"""What the pages say people type, and what it prints."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from tests.stack import Said, running_stack, ue
from tests.transcripts.transcript import Exchange, answered, fits, named, play, read

HERE = Path(__file__).parent
SETTINGS = """
bake = "2s"
[waivers]
current-version = "a transcript deploys whatever stands in the work tree"
"""
WRITE = os.environ.get("TRANSCRIPTS") == "write"


def pages(folder: str) -> list[Path]:
    return sorted((HERE / folder).glob("*.txt"))


@pytest.mark.parametrize("page", pages("alone"), ids=lambda page: page.stem)
def test_what_needs_no_server_prints_what_the_page_says(page: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="ue-", dir="/tmp") as folder:
        home = Path(folder) / "home"

        def typed(words: list[str]) -> Said:
            return ue(*(str(home) if word == "<home>" else word for word in words))

        play(page, typed, home=home, write=WRITE)


@pytest.mark.stack
@pytest.mark.parametrize("page", pages("stack"), ids=lambda page: page.stem)
def test_on_a_stack_of_its_own_it_prints_what_the_page_says(page: Path) -> None:
    with running_stack(settings=SETTINGS) as stack:
        play(page, lambda words: stack.ue(*words), home=stack.home, write=WRITE)


def test_a_page_is_read_into_commands_and_answers(tmp_path: Path) -> None:
    page = tmp_path / "page.txt"
    page.write_text("# First.\n$ ue a 'b c'\nout\n\n! err\n? 3\n\n# Then.\n\n$ ue d\n")
    first, second = read(page)
    assert first == Exchange(above=("# First.",), typed="ue a 'b c'", answer=("out", "", "! err", "? 3"))
    assert first.words(run="r") == ["a", "b c"]
    assert second == Exchange(above=("# Then.", ""), typed="ue d", answer=())


def test_an_answer_names_what_differs_from_run_to_run() -> None:
    said = Said(code=5, out="deployment-20260209-143000-k7m2q.1   took 1 h 30 min\n", err="2026-02-09T14:30:00.123Z see /x/home/logs\n")
    assert answered(said, Path("/x/home")) == ("<run>.1  took <took>", "! <time> see <home>/logs", "? 5")
    assert named("at 127.0.0.1:8180, 34 ms", None) == "at 127.0.0.1:<port>, <took>"


@pytest.mark.parametrize(
    ("expected", "found", "fitting"),
    [
        (("a", "b"), ("a", "b"), True),
        (("a",), ("a", "b"), False),
        (("a", "b"), ("a",), False),
        (("a", "...", "z"), ("a", "b", "c", "z"), True),
        (("a", "...", "z"), ("a", "z"), True),
        (("...", "z"), ("a", "b"), False),
        (("* answers, [x]",), ("446 answers, [x]",), True),
        (("* answers",), ("446 answers, none failed",), False),
    ],
)
def test_an_answer_fits_its_page(expected: tuple[str, ...], found: tuple[str, ...], *, fitting: bool) -> None:
    assert fits(expected, found) is fitting
