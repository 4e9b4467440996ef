"""The set-up finds the right interpreter, or says what to install. It runs on a copy, with interpreters that only answer what it asks."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

TOOLS = ("cat", "cut", "dirname", "grep", "id", "rm", "sh", "sha256sum")


class Machine:
    """A machine that has a few tools, no apt-get, and the interpreters that a test gives it."""

    def __init__(self, folder: Path, setup: Path) -> None:
        self._project, self._bin = folder / "project", folder / "bin"
        (self._project / ".ci").mkdir(parents=True)
        shutil.copy(setup, self._project / ".ci" / "setup")
        self._bin.mkdir()
        for tool in TOOLS:
            found = shutil.which(tool)
            assert found is not None
            (self._bin / tool).symlink_to(found)

    def has_python(self, name: str, version: str, *, venv: bool = True) -> None:
        """Answer the version; import ensurepip only where `venv`; end with 7 when a virtual environment is asked for."""
        script = self._bin / name
        script.write_text(f'#!/bin/sh\ncase "$*" in\n*version_info*) echo {version} ;;\n*ensurepip*) exit {0 if venv else 1} ;;\n*) exit 7 ;;\nesac\n')
        script.chmod(0o755)

    def set_up(self, extra: Mapping[str, str] | None = None) -> tuple[int, str]:
        environment = {"PATH": str(self._bin), **(extra or {})}
        ended = subprocess.run([self._project / ".ci" / "setup"], env=environment, capture_output=True, text=True, timeout=30, check=False)
        return ended.returncode, ended.stderr


@pytest.fixture
def machine(root: Path, tmp_path: Path) -> Machine:
    return Machine(tmp_path, root / ".ci" / "setup")


def test_the_newest_supported_interpreter_is_taken(machine: Machine) -> None:
    machine.has_python("python3", "3.11")
    machine.has_python("python3.12", "3.12")
    machine.has_python("python3.13", "3.13")
    machine.has_python("python3.15", "3.15")
    assert "making .venv with python3.13 (3.13)" in machine.set_up()[1]


def test_one_that_can_make_virtual_environments_is_taken_before_a_newer_one_that_can_not(machine: Machine) -> None:
    machine.has_python("python3.12", "3.12")
    machine.has_python("python3.14", "3.14", venv=False)
    assert "making .venv with python3.12 (3.12)" in machine.set_up()[1]


def test_a_name_that_belongs_to_another_version_is_seen_through(machine: Machine) -> None:
    machine.has_python("python3.13", "3.8")
    machine.has_python("python3", "3.11")
    assert "making .venv with python3 (3.11)" in machine.set_up()[1]


def test_the_interpreter_that_was_asked_for_is_taken(machine: Machine) -> None:
    machine.has_python("python3.13", "3.13")
    machine.has_python("mine", "3.11")
    assert "making .venv with mine (3.11)" in machine.set_up({"PYTHON": "mine"})[1]


def test_an_interpreter_that_is_too_old_is_refused_even_when_asked_for(machine: Machine) -> None:
    machine.has_python("old", "3.8")
    code, said = machine.set_up({"PYTHON": "old"})
    assert code == 1
    assert "PYTHON=old is no Python 3.11 to 3.14" in said


def test_a_missing_venv_module_is_named_with_the_package_that_brings_it(machine: Machine) -> None:
    machine.has_python("python3", "3.12", venv=False)
    code, said = machine.set_up()
    assert code == 1
    assert "apt-get install python3.12-venv" in said


def test_no_interpreter_at_all_is_said_and_none_is_fetched(machine: Machine) -> None:
    code, said = machine.set_up()
    assert code == 1
    assert "found no Python 3.11 to 3.14" in said
