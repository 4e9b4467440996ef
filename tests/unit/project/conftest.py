"""What the project's own habits are read from."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[3]
UNKEPT = {".git", ".venv", ".cache", "__pycache__", ".hypothesis", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".import_linter_cache", "build", "dist"}
"""Folders that no clone carries."""


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def kept() -> tuple[Path, ...]:
    """Every file that a clone carries, relative to the root: from git where there is git, else from the tree."""
    if (ROOT / ".git").exists():
        listed = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, text=True, timeout=30, check=False)
        if listed.returncode == 0:
            return tuple(path for name in listed.stdout.split("\0") if name and (ROOT / (path := Path(name))).is_file())
    found = (path.relative_to(ROOT) for path in sorted(ROOT.rglob("*")) if path.is_file())
    return tuple(path for path in found if not UNKEPT.intersection(path.parts))


@pytest.fixture(scope="session")
def texts(kept: tuple[Path, ...]) -> Mapping[Path, str]:
    """The text of every kept file that is text."""
    read: dict[Path, str] = {}
    for path in kept:
        content = (ROOT / path).read_bytes()
        if b"\0" not in content:
            read[path] = content.decode("utf-8", errors="strict")
    return read


@pytest.fixture(scope="session")
def pyproject() -> dict[str, object]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.fixture(scope="session")
def program() -> Callable[[str], ModuleType]:
    """Load one of the programs in `.ci`, which are no package."""

    def load(name: str) -> ModuleType:
        specification = importlib.util.spec_from_file_location(f"ci_{name}", ROOT / ".ci" / f"{name}.py")
        assert specification is not None
        assert specification.loader is not None
        module = importlib.util.module_from_spec(specification)
        sys.modules[specification.name] = module  # dataclasses look their module up
        specification.loader.exec_module(module)
        return module

    return load
