"""The command table, its help, and how fast it is there."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

from unioneyes.cli import main as cli
from unioneyes.cli.command import load, run_verb
from unioneyes.cli.tree import NOUNS, VERBS, Verb, find
from unioneyes.cli.version import version

SLOW = {"cyclopts", "rich", "httpx", "pydantic", "asyncio", "inspect", "ssl", "dbos", "fastapi", "sqlalchemy", "kr8s", "uvicorn"}
"""What `ue --help` must not load: with any of it, it takes several times as long as an empty program."""
SERVER_ONLY = {"dbos", "fastapi", "sqlalchemy", "kr8s", "uvicorn"}
"""What no command may load before it is run."""


def loaded_by(program: str) -> set[str]:
    """Return the top-level modules that a fresh interpreter has after `program`."""
    listed = f"{program}\nimport sys\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", listed], capture_output=True, text=True, timeout=60, check=True)
    return set(done.stderr.split())


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.words)
def test_the_table_says_what_the_command_says_of_itself(verb: Verb) -> None:
    assert (inspect.getdoc(load(verb)) or "").partition("\n")[0] == verb.does


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.words)
def test_the_table_names_the_positional_arguments(verb: Verb) -> None:
    many = {inspect.Parameter.POSITIONAL_ONLY: "", inspect.Parameter.VAR_POSITIONAL: "..."}
    positional = [f"{name}{many[parameter.kind]}" for name, parameter in inspect.signature(load(verb)).parameters.items() if parameter.kind in many]
    assert [word.strip("[]").lower() for word in verb.takes.split()] == positional


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.words)
def test_every_command_explains_itself(verb: Verb, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_verb(verb, ["--help"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"Usage: ue {verb.words}")
    assert "--home" in printed


def test_every_noun_has_commands_and_every_command_a_noun() -> None:
    assert set(NOUNS) == {verb.noun for verb in VERBS}


def test_help_loads_next_to_nothing() -> None:
    program = "import sys; sys.argv = ['ue', '--help']\nfrom unioneyes.cli.main import main\nmain()"
    assert loaded_by(program) & SLOW == set()


def test_no_command_loads_the_server_before_it_is_run() -> None:
    imports = "\n".join(f"import unioneyes.cli.{module}" for module in sorted({verb.function.partition(":")[0] for verb in VERBS}))
    assert loaded_by(imports) & SERVER_ONLY == set()


def test_help_names_every_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["ue"])
    assert cli.main() == 0
    printed = capsys.readouterr().out
    assert [verb.words for verb in VERBS if f"  {verb.words} " not in printed and f"  {verb.words}\n" not in printed] == []


@pytest.mark.parametrize("words", [["deploy"], ["deploy", "--help"], ["deploy", "-h"]])
def test_a_noun_alone_lists_its_commands(words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["ue", *words])
    assert cli.main() == 0
    assert "deploy start VERSION" in capsys.readouterr().out


def test_an_unknown_command_is_refused_with_what_comes_near(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["ue", "deply", "start"])
    assert cli.main() == 2
    printed = capsys.readouterr()
    assert "remedy: ue deploy start" in printed.err
    assert printed.out == ""


def test_options_of_every_command_may_stand_before_the_noun(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["ue", "--env", "elsewhere", "-o=json", "release", "list"])
    assert cli.main() == 2
    assert '"title": "unknown environment"' in capsys.readouterr().err


def test_the_version_is_the_package_s_own() -> None:
    assert version().startswith("ue ")


def test_a_command_of_two_words_is_found_before_one_of_one_word() -> None:
    assert find(["deploy", "start", "1.1.0"]) is next(verb for verb in VERBS if verb.words == "deploy start")
    assert find(["serve", "--env", "local"]) is next(verb for verb in VERBS if verb.words == "serve")
    assert find(["serve-it"]) is None
