"""The locks pin, with hashes, what pyproject.toml asks for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import cast

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

Groups = dict[str, list[str | dict[str, str]]]


def pins(lock: Path) -> dict[str, Version]:
    found: dict[str, Version] = {}
    for line in lock.read_text().splitlines():
        if not line.startswith(" "):
            wanted = Requirement(line.removesuffix("\\").strip())
            (specifier,) = wanted.specifier
            found[canonicalize_name(wanted.name)] = Version(specifier.version)
    return found


def asked(pyproject: dict[str, object], *groups: str) -> list[Requirement]:
    project = cast("dict[str, list[str]]", pyproject["project"])
    extras = cast("dict[str, list[str]]", project["optional-dependencies"])
    wanted = [*project["dependencies"], *(line for extra in extras.values() for line in extra)]
    declared = cast("Groups", pyproject["dependency-groups"])
    for group in groups:
        wanted += [line for line in declared[group] if isinstance(line, str)]
    return [Requirement(line) for line in wanted]


@pytest.mark.parametrize(("lock", "groups"), [("runtime.txt", ("build",)), ("dev.txt", ("dev", "build"))])
def test_a_lock_pins_everything_that_is_asked_for_at_an_allowed_version(root: Path, pyproject: dict[str, object], lock: str, groups: tuple[str, ...]) -> None:
    pinned = pins(root / "requirements" / lock)
    unmet = [
        str(wanted)
        for wanted in asked(pyproject, *groups)
        if (version := pinned.get(canonicalize_name(wanted.name))) is None or version not in wanted.specifier
    ]
    assert unmet == [], "run `make lock`"


def test_what_builds_the_project_is_in_the_lock(root: Path, pyproject: dict[str, object]) -> None:
    pinned = pins(root / "requirements" / "dev.txt")
    build = cast("dict[str, list[str]]", pyproject["build-system"])
    assert all(pinned[canonicalize_name(wanted.name)] in wanted.specifier for wanted in map(Requirement, build["requires"]))


def test_tests_run_on_the_versions_that_are_shipped(root: Path) -> None:
    runtime, dev = pins(root / "requirements" / "runtime.txt"), pins(root / "requirements" / "dev.txt")
    assert {name: version for name, version in runtime.items() if dev.get(name) != version} == {}


@pytest.mark.parametrize("lock", ["runtime.txt", "dev.txt", "pip.txt", "uv.txt", "prefect.txt", "barman.txt"])
def test_every_pin_carries_hashes_and_nothing_else_stands_in_a_lock(root: Path, lock: str) -> None:
    text = (root / "requirements" / lock).read_text()
    joined = text.replace("\\\n", "").splitlines()
    pin = re.compile(r"[a-z0-9-]+==[^ ;]+( ; [^-]+)?( +--hash=sha256:[0-9a-f]{64})+")
    assert [line[:60] for line in joined if not pin.fullmatch(line.strip())] == []


def test_no_lock_of_npm_names_an_address(root: Path) -> None:
    locks = [*(root / "tests").rglob("package-lock.json")]
    assert len(locks) >= 4
    assert [str(lock) for lock in locks if "://" in lock.read_text()] == []
