"""Own runbooks are loaded by their path; one that is broken is named with its line, and harms nothing else."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.stack import eventually
from unioneyes.runbook.definition import UnknownRunbook, _registry, definition, definitions, takes_over
from unioneyes.runbook.own import Form, OwnRunbookBroken, OwnRunbooks, RunbookView

GREET = '''
"""Greets."""

from __future__ import annotations

from dataclasses import dataclass

from unioneyes.ports.environment import Environment
from unioneyes.runbook.definition import runbook
from unioneyes.runbook.plan import Effect, Plan
from unioneyes.runbook.steps import step


@dataclass(frozen=True, slots=True, kw_only=True)
class Greet:
    whom: str


@step(effect=Effect.READ)
def greet(*, whom: str) -> str:
    """Whom it concerns was greeted."""
    return f"WORD {whom}"


@dataclass(frozen=True, slots=True, kw_only=True)
class GreetPlan(Plan):
    whom: str


@runbook(name="NAME", chapter="Ours", locks=False)
class Greeting:
    def plan(self, env: Environment, request: Greet) -> GreetPlan:
        return GreetPlan(summary="greet", steps=(greet.planned(),), whom=request.whom)

    def run(self, env: Environment, plan: GreetPlan) -> str:
        return greet(whom=plan.whom)
'''


def greeting(name: str, word: str = "hello") -> str:
    return GREET.replace("NAME", name).replace("WORD", word)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    before = definitions()
    yield tmp_path
    assert [each for each in before if definition(each.name) is not each] == []
    for each in definitions():
        if each not in before:
            del _registry[each.name]


def of(folder: Path, own: OwnRunbooks) -> dict[str, RunbookView]:
    return {each.name: each for each in own.all() if each.file is not None and each.file.startswith(str(folder))}


def test_a_python_file_registers_what_it_says(folder: Path) -> None:
    (folder / "greet.py").write_text(greeting("own.greet-a"))
    own = OwnRunbooks(folder)
    found = of(folder, own)["own.greet-a"]
    assert (found.form, found.title, found.asks, found.broken) == (Form.PYTHON, "Ours", ("whom",), None)
    assert definition("own.greet-a").plan_type.__name__ == "GreetPlan"


def test_a_file_that_changed_is_loaded_again_and_one_that_did_not_is_not(folder: Path) -> None:
    path = folder / "greet.py"
    path.write_text(greeting("own.greet-b"))
    own = OwnRunbooks(folder)
    own.refresh()
    first = definition("own.greet-b")
    own.refresh()
    assert definition("own.greet-b") is first
    path.write_text(greeting("own.greet-b", "good evening"))
    own.refresh()
    assert definition("own.greet-b") is not first


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("import os\n\ndef x(:\n", "line 3: SyntaxError"),
        ("import os\n\nos.no_such_thing()\n", "line 3: AttributeError"),
        ("import nowhere_to_be_found\n", "line 1: ModuleNotFoundError"),
        ("\nraise SystemExit(1)\n", "line 2: SystemExit"),
        (greeting("own.greet-c").replace("request: Greet", "request: Nobody"), "NameError"),
        (greeting("Not A Name"), "'Not A Name' is no name for a runbook"),
        ("x = '\xff'\n", "SyntaxError"),
    ],
)
def test_a_broken_file_is_named_with_its_line_and_registers_nothing(folder: Path, text: str, told: str) -> None:
    (folder / "broken.py").write_bytes(text.encode("latin-1"))
    (folder / "fine.py").write_text(greeting("own.greet-fine"))
    before = {each.name for each in definitions()} - {"own.greet-fine"}
    own = OwnRunbooks(folder)
    found = of(folder, own)
    assert told in (found["broken.py"].broken or "")
    assert found["own.greet-fine"].broken is None
    assert {each.name for each in definitions()} == before | {"own.greet-fine"}


def test_a_file_does_not_take_the_name_of_another_runbook(folder: Path) -> None:
    (folder / "a.py").write_text(greeting("own.greet-d"))
    (folder / "b.py").write_text(greeting("own.greet-d", "not hello"))
    found = of(folder, OwnRunbooks(folder))
    assert found["own.greet-d"].file == str(folder / "a.py")
    assert "there is a runbook called own.greet-d already" in (found["b.py"].broken or "")


def test_a_file_that_breaks_later_is_not_run_as_it_was(folder: Path) -> None:
    path = folder / "greet.py"
    path.write_text(greeting("own.greet-e"))
    own = OwnRunbooks(folder)
    own.require("own.greet-e")
    path.write_text("def x(:\n")
    with pytest.raises(OwnRunbookBroken, match="line 1: SyntaxError"):
        own.require("own.greet-e")
    path.write_text(greeting("own.greet-e"))
    own.require("own.greet-e")
    path.unlink()
    with pytest.raises(OwnRunbookBroken, match="is gone"):
        own.require("own.greet-e")
    assert of(folder, own) == {}


def test_a_file_that_anybody_could_write_is_not_run(folder: Path) -> None:
    path = folder / "greet.py"
    path.write_text(greeting("own.greet-f"))
    path.chmod(0o666)
    own = OwnRunbooks(folder)
    assert "others can write it" in (of(folder, own)["greet.py"].broken or "")
    with pytest.raises(UnknownRunbook):
        definition("own.greet-f")
    path.chmod(0o600)
    own.require("own.greet-f")
    assert definition("own.greet-f").chapter == "Ours"


def test_a_file_that_does_not_come_to_its_end_keeps_nobody_waiting(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unioneyes.runbook.own.LOADED_WITHIN", timedelta(seconds=0.2))
    own = OwnRunbooks(folder)
    path = folder / "slow.py"
    waits = f"import time\nfrom pathlib import Path\nwhile not Path({str(folder / 'go')!r}).exists():\n    time.sleep(0.02)\n"
    path.write_text(greeting("own.greet-g").replace("from __future__ import annotations\n", f"from __future__ import annotations\n{waits}"))
    began = time.monotonic()
    assert "takes longer than 200 ms to load" in (of(folder, own)["slow.py"].broken or "")
    own.require("own.greet-g")  # the engine knows no such runbook yet, and says so
    assert time.monotonic() - began < 5
    (folder / "go").touch()
    assert eventually(lambda: "own.greet-g" in of(folder, own))


def test_a_built_in_runbook_waits_for_no_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "early.py").write_text(greeting("own.greet-h"))
    OwnRunbooks(folder).refresh()
    own = OwnRunbooks(folder)  # for it, what is there already is built in
    monkeypatch.setattr(own, "refresh", lambda: pytest.fail("it looked at the folder"))
    own.require("own.greet-h")


def test_a_folder_that_can_not_be_read_has_none(folder: Path) -> None:
    (folder / "file").touch()
    assert of(folder, OwnRunbooks(folder / "file" / "below")) == {}


def test_documents_are_listed_with_what_they_ask_for_and_what_is_wrong(folder: Path) -> None:
    (folder / "look.md").write_text('# Look\n\n```bash\necho "$NOTE"\nwatch date\n```\n')
    (folder / "garbled.md").write_bytes(b"\xff")
    found = of(folder, OwnRunbooks(folder))
    assert (found["look.md"].title, found["look.md"].asks, found["look.md"].note) == ("Look", ("NOTE",), "1 step, 1 errors")
    assert "line 1: byte 0xff" in (found["garbled.md"].broken or "")


def test_a_folder_that_is_not_there_has_none(tmp_path: Path) -> None:
    assert of(tmp_path, OwnRunbooks(tmp_path / "nowhere")) == {}


def test_a_runbook_that_is_no_more_takes_nothing_over() -> None:
    assert not takes_over("own.gone")
