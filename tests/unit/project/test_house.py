"""The folders are the ones that the house's map names."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

TOP = {
    *{".ci", ".gitignore", ".pre-commit-config.yaml", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile", "README.md", "pyproject.toml"},
    *{"bench", "db", "docs", "k8s", "policy", "requirements", "src", "tests"},
}
LAYERS = {"adapters", "claims", "cli", "console", "environments", "kernel", "operations", "ports", "runbook", "simulators"}
CHAPTERS = {"app", "database", "deployment", "escalation", "incidents", "monitoring", "privacy", "rehearsal", "release", "rollback", "security"}
TIERS = {"browser", "compat", "contract", "drills", "kubernetes", "transcripts", "unit"}
MEANINGLESS = {"common", "helper", "helpers", "manager", "misc", "shared", "util", "utils"}


def folders(kept: tuple[Path, ...], under: str) -> set[str]:
    depth = len(Path(under).parts)
    return {path.parts[depth] for path in kept if path.is_relative_to(under) and len(path.parts) > depth + 1}


def test_the_top_holds_what_the_map_names(kept: tuple[Path, ...]) -> None:
    assert {path.parts[0] for path in kept} <= TOP


def test_the_package_holds_the_layers_of_the_house(kept: tuple[Path, ...]) -> None:
    assert folders(kept, "src/unioneyes") <= LAYERS


def test_operations_holds_the_chapters_of_the_document(kept: tuple[Path, ...]) -> None:
    assert folders(kept, "src/unioneyes/operations") <= CHAPTERS


def test_tests_stand_in_their_tier(kept: tuple[Path, ...]) -> None:
    assert folders(kept, "tests") <= TIERS


def test_every_folder_of_the_package_says_what_it_promises(texts: Mapping[Path, str]) -> None:
    packages = [path for path in texts if path.name == "__init__.py" and path.is_relative_to("src")]
    assert packages
    assert [path for path in packages if not texts[path].startswith('"""')] == []


def test_no_module_has_a_name_that_means_nothing(kept: tuple[Path, ...]) -> None:
    assert [path for path in kept if path.suffix == ".py" and MEANINGLESS.intersection({path.stem, *path.parts[:-1]})] == []


@pytest.fixture(scope="module")
def broken_house(root: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What import-linter says of a copy of the package in which every contract is broken once."""
    house = tmp_path_factory.mktemp("house")
    shutil.copytree(root / "src", house / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(root / "pyproject.toml", house)
    package = house / "src" / "unioneyes"
    for module, imported in {
        "kernel/intruder.py": "unioneyes.ports",
        "operations/deployment/intruder.py": "unioneyes.operations.rollback",
        "adapters/intruder.py": "unioneyes.runbook",
        "adapters/git/intruder.py": "unioneyes.adapters.files",
        "cli/intruder.py": "unioneyes.adapters",
        "claims/intruder.py": "dbos, slack_sdk",
    }.items():
        (package / module).write_text(f"import {imported}\n")
    command = ["lint-imports", "--no-logo", "--no-cache", "--config", "pyproject.toml"]
    checked = subprocess.run(
        command, cwd=house, env={"PYTHONPATH": str(house / "src"), "PATH": str(root / ".venv/bin")}, capture_output=True, text=True, timeout=60, check=False
    )
    return checked.stdout


@pytest.mark.parametrize(
    "contract",
    [
        "Imports go downwards only",
        "The chapters are independent of each other",
        "The adapters are independent of each other",
        "Adapters, simulators and the operated service know ports and kernel only",
        "Only environments builds adapters, simulators and the operated service",
        "Only the engine imports dbos",
        "A vendor's SDK is imported in one adapter",
    ],
)
def test_a_broken_contract_is_seen(broken_house: str, contract: str) -> None:
    assert f"{contract} BROKEN" in broken_house
