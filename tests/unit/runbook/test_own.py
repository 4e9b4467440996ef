"""Own runbooks are loaded by their path; one that is broken is named with its line, and harms nothing else."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Event

import pytest

import unioneyes.operations.rollback.runbook  # noqa: F401 - registers a built-in runbook
from tests.samples import hanging, python_runbook
from tests.stack import eventually
from unioneyes.kernel.access import Right
from unioneyes.runbook.definition import UnknownRunbook, definition, definitions, replace, right_over, takes_over
from unioneyes.runbook.own import Form, OwnRunbookBroken, OwnRunbooks, RunbookView
from unioneyes.runbook.problems import NameTaken

BUILT_IN = "rollback.traffic"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    before = definitions()
    yield tmp_path
    assert [each for each in before if definition(each.name) is not each] == []
    replace({}, before=[each.name for each in definitions() if each not in before])


def of(folder: Path, own: OwnRunbooks) -> dict[str, RunbookView]:
    return {each.name: each for each in own.all() if each.file is not None and each.file.startswith(str(folder))}


def test_a_python_file_registers_what_it_says(folder: Path) -> None:
    (folder / "greet.py").write_text(python_runbook("own.greet-a"))
    own = OwnRunbooks(folder)
    found = of(folder, own)["own.greet-a"]
    assert (found.form, found.title, found.asks, found.broken) == (Form.PYTHON, "Ours", ("whom", "times"), None)
    assert definition("own.greet-a").plan_type.__name__ == "GreetPlan"


def test_a_file_that_changed_is_loaded_again_and_one_that_did_not_is_not(folder: Path) -> None:
    path = folder / "greet.py"
    path.write_text(python_runbook("own.greet-b"))
    own = OwnRunbooks(folder)
    own.refresh()
    first = definition("own.greet-b")
    own.refresh()
    assert definition("own.greet-b") is first
    path.write_text(python_runbook("own.greet-b", "good evening"))
    own.refresh()
    assert definition("own.greet-b") is not first


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("import os\n\ndef x(:\n", "line 3: SyntaxError"),
        ("import os\n\nos.no_such_thing()\n", "line 3: AttributeError"),
        ("import nowhere_to_be_found\n", "line 1: ModuleNotFoundError"),
        ("\nraise SystemExit(1)\n", "line 2: SystemExit"),
        (python_runbook("own.greet-c").replace("request: Greet", "request: Nobody"), "NameError"),
        (python_runbook("Not A Name"), "'Not A Name' is no name for a runbook"),
        ("x = '\xff'\n", "SyntaxError"),
    ],
)
def test_a_broken_file_is_named_with_its_line_and_registers_nothing(folder: Path, text: str, told: str) -> None:
    (folder / "broken.py").write_bytes(text.encode("latin-1"))
    (folder / "fine.py").write_text(python_runbook("own.greet-fine"))
    before = {each.name for each in definitions()} - {"own.greet-fine"}
    own = OwnRunbooks(folder)
    found = of(folder, own)
    assert told in (found["broken.py"].broken or "")
    assert found["own.greet-fine"].broken is None
    assert {each.name for each in definitions()} == before | {"own.greet-fine"}


def test_a_file_does_not_take_the_name_of_another_runbook(folder: Path) -> None:
    (folder / "a.py").write_text(python_runbook("own.greet-d"))
    (folder / "b.py").write_text(python_runbook("own.greet-d", "not hello"))
    found = of(folder, OwnRunbooks(folder))
    assert found["own.greet-d"].file == str(folder / "a.py")
    assert "there is a runbook called own.greet-d already" in (found["b.py"].broken or "")


def test_a_file_that_breaks_later_is_not_run_as_it_was(folder: Path) -> None:
    path = folder / "greet.py"
    path.write_text(python_runbook("own.greet-e"))
    own = OwnRunbooks(folder)
    own.require("own.greet-e")
    path.write_text("def x(:\n")
    with pytest.raises(OwnRunbookBroken, match="line 1: SyntaxError"):
        own.require("own.greet-e")
    path.write_text(python_runbook("own.greet-e"))
    own.require("own.greet-e")
    assert of(folder, own)["own.greet-e"].broken is None


def test_a_file_that_anybody_could_write_is_not_run(folder: Path) -> None:
    path = folder / "greet.py"
    path.write_text(python_runbook("own.greet-f"))
    path.chmod(0o666)
    own = OwnRunbooks(folder)
    assert "others can write it" in (of(folder, own)["greet.py"].broken or "")
    with pytest.raises(UnknownRunbook):
        definition("own.greet-f")
    path.chmod(0o600)
    own.require("own.greet-f")
    assert definition("own.greet-f").chapter == "Ours"


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file may take a moment."""
    monkeypatch.setattr("unioneyes.runbook.modules.LOADED_WITHIN", timedelta(seconds=0.2))


@pytest.mark.usefixtures("soon")
def test_a_file_that_does_not_come_to_its_end_keeps_nobody_waiting(folder: Path) -> None:
    (folder / "slow.py").write_text(hanging(python_runbook("own.greet-g"), until=str(folder / "go")))
    own = OwnRunbooks(folder)
    assert "takes longer than 200 ms to load" in (of(folder, own)["slow.py"].broken or "")
    own.require("own.greet-g")  # the engine knows no such runbook yet, and says so
    (folder / "go").touch()
    assert eventually(lambda: "own.greet-g" in of(folder, own))


@pytest.mark.usefixtures("soon")
def test_a_file_that_hangs_stops_neither_the_others_nor_its_own_next_version(folder: Path) -> None:
    slow = folder / "a.py"
    slow.write_text(hanging(python_runbook("own.greet-i", "never"), until=str(folder / "go")))
    own = OwnRunbooks(folder)
    own.refresh()
    (folder / "b.py").write_text(python_runbook("own.greet-j"))
    assert eventually(lambda: "own.greet-j" in of(folder, own))
    slow.write_text(python_runbook("own.greet-i"))
    assert eventually(lambda: "own.greet-i" in of(folder, own))
    mended = definition("own.greet-i")
    (folder / "go").touch()
    assert eventually(lambda: not [thread for thread in threading.enumerate() if thread.name == "loading a.py"])
    own.refresh()
    assert definition("own.greet-i") is mended


@pytest.mark.usefixtures("soon")
def test_a_file_with_the_name_of_a_built_in_runbook_is_never_it(folder: Path) -> None:
    built_in = definition(BUILT_IN)
    (folder / "mine.py").write_text(hanging(python_runbook(BUILT_IN), until=str(folder / "go")))
    own = OwnRunbooks(folder)
    own.refresh()
    assert definition(BUILT_IN) is built_in
    (folder / "go").touch()
    assert eventually(lambda: f"there is a runbook called {BUILT_IN} already" in (of(folder, own)["mine.py"].broken or ""))
    assert definition(BUILT_IN) is built_in


def test_a_file_that_was_renamed_keeps_its_runbook(folder: Path) -> None:
    (folder / "greet.py").write_text(python_runbook("own.greet-k"))
    own = OwnRunbooks(folder)
    own.refresh()
    (folder / "greet.py").rename(folder / "hello.py")
    assert of(folder, own)["own.greet-k"].file == str(folder / "hello.py")
    own.require("own.greet-k")


def test_a_name_that_no_file_has_any_more_is_free(folder: Path) -> None:
    path = folder / "greet.py"
    path.write_text(python_runbook("own.greet-l"))
    own = OwnRunbooks(folder)
    own.refresh()
    path.write_text(python_runbook("own.greet-m"))
    assert [each.name for each in own.all() if each.name.startswith("own.greet-")] == ["own.greet-m"]
    path.unlink()
    assert [each.name for each in own.all() if each.name.startswith("own.greet-")] == []
    own.require("own.greet-m")
    with pytest.raises(UnknownRunbook):
        definition("own.greet-m")


def test_two_files_exchange_their_names(folder: Path) -> None:
    one, other = folder / "a.py", folder / "b.py"
    one.write_text(python_runbook("own.greet-n"))
    other.write_text(python_runbook("own.greet-o"))
    own = OwnRunbooks(folder)
    own.refresh()
    one.write_text(python_runbook("own.greet-o"))
    other.write_text(python_runbook("own.greet-n"))
    found = of(folder, own)
    assert (found["own.greet-n"].file, found["own.greet-o"].file) == (str(other), str(one))


def test_a_new_file_does_not_take_a_name_by_its_place_in_the_alphabet(folder: Path) -> None:
    (folder / "b.py").write_text(python_runbook("own.greet-p"))
    own = OwnRunbooks(folder)
    own.refresh()
    (folder / "a.py").write_text(python_runbook("own.greet-p"))
    assert of(folder, own)["own.greet-p"].file == str(folder / "b.py")
    (folder / "b.py").unlink()
    assert of(folder, own)["own.greet-p"].file == str(folder / "a.py")


def test_a_file_with_one_name_twice_is_broken(folder: Path) -> None:
    (folder / "twice.py").write_text(python_runbook("own.greet-q") + "\nrunbook(name='own.greet-q', chapter='Ours')(Greeting)\n")
    assert "there is a runbook called own.greet-q already" in (of(folder, OwnRunbooks(folder))["twice.py"].broken or "")


def test_those_who_look_meanwhile_see_every_runbook(folder: Path) -> None:
    own = OwnRunbooks(folder)
    over = Event()

    def look() -> bool:
        while not over.is_set():
            if BUILT_IN not in {each.name for each in definitions()}:
                return False
        return True

    with ThreadPoolExecutor(1) as threads:
        always = threads.submit(look)
        for number in range(30):
            (folder / "greet.py").write_text(python_runbook(f"own.greet-r{number}") + ("1 / 0\n" if number % 2 else ""))
            own.refresh()
        over.set()
        assert always.result()


def test_a_built_in_runbook_waits_for_no_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "early.py").write_text(python_runbook("own.greet-h"))
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


def test_a_runbook_that_is_no_more_takes_nothing_over_and_an_operator_decides_in_its_runs() -> None:
    assert not takes_over("own.gone")
    assert right_over("own.gone") is Right.OPERATE
    assert right_over(BUILT_IN) is Right.RESPOND


def test_a_name_that_is_taken_changes_nothing() -> None:
    before = definitions()
    with pytest.raises(NameTaken, match=BUILT_IN):
        replace({"own.greet-s": definition(BUILT_IN), BUILT_IN: definition(BUILT_IN)}, before=())
    assert definitions() == before
