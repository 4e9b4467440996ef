"""The wheel carries the code and what the code reads, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest


@pytest.fixture(scope="module")
def shipped(root: Path, tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder], cwd=root, capture_output=True, timeout=60, check=True)
    (wheel,) = folder.glob("*.whl")
    return set(ZipFile(wheel).namelist())


def test_every_module_and_every_file_beside_one_is_shipped(kept: tuple[Path, ...], shipped: set[str]) -> None:
    assert [str(path) for path in kept if path.is_relative_to("src") and str(path.relative_to("src")) not in shipped] == []


@pytest.mark.parametrize("folder", ["db", "policy"])
def test_what_the_product_reads_is_shipped(kept: tuple[Path, ...], shipped: set[str], folder: str) -> None:
    assert [str(path) for path in kept if path.parts[0] == folder and f"unioneyes/_project/{path}" not in shipped] == []


def test_the_licence_is_shipped_and_the_tests_are_not(shipped: set[str]) -> None:
    assert any(name.endswith("licenses/LICENSE") for name in shipped)
    assert not any(name.startswith(("tests/", "bench/", "docs/")) for name in shipped)
