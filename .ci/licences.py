"""Every package that a lock names may be shipped with an Apache-2.0 product, as its own metadata says; the others are printed, with exit code 1.

A package that states no licence is refused too. Why LGPL is allowed where it is named here: docs/decisions/0008-licences-of-dependencies.md.
"""

from __future__ import annotations

import re
import sys
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PERMISSIVE = re.compile(r"\b(MIT|MIT-0|BSD|0BSD|ISC|Apache|MPL|Mozilla|PSF|Python Software Foundation|Unlicense|Zlib)\b", re.IGNORECASE)
RECIPROCAL = re.compile(r"\b(L|A)?GPL|GNU|SSPL|BUSL|Business Source|Proprietary|Commercial|EUPL|CC-BY-(SA|NC)", re.IGNORECASE)
ALLOWED = {
    "psycopg": "LGPL-3.0: used as a library, unchanged, replaceable",
    "psycopg-binary": "the same",
    "psycopg-pool": "the same",
    "pyrage": "MIT, as the licence file that it brings says; its metadata names none",
}
"""Packages whose metadata states neither, and why each may be shipped all the same."""


def locked(lock: Path) -> tuple[str, ...]:
    """Return the packages that `lock` installs on this machine."""
    lines = (line.removesuffix("\\").strip() for line in lock.read_text().splitlines() if line[:1].isalnum())
    requirements = tuple(Requirement(line) for line in lines)
    return tuple(canonicalize_name(wanted.name) for wanted in requirements if wanted.marker is None or wanted.marker.evaluate())


def statement(package: Distribution) -> str:
    """Return what the package says of its licence: the SPDX expression where it has one, else the classifiers, else the old free text's first line."""
    metadata = package.metadata
    if "License-Expression" in metadata:
        return metadata["License-Expression"]
    classifiers = [value.rpartition(" :: ")[2] for value in metadata.get_all("Classifier", []) if value.startswith("License :: OSI Approved")]
    if classifiers or "License" not in metadata:
        return "; ".join(classifiers)
    return metadata["License"].partition("\n")[0]


def acceptable(name: str, licence: str) -> bool:
    """Return whether a package of this licence may be shipped."""
    return name in ALLOWED or bool(PERMISSIVE.search(licence) and not RECIPROCAL.search(licence))


def main(locks: tuple[Path, ...]) -> int:
    """Print what may not be shipped, and how many packages were read."""
    stated = {name: statement(distribution(name)) for lock in locks for name in locked(lock)}
    refused = {name: licence for name, licence in stated.items() if not acceptable(name, licence)}
    for name, licence in refused.items():
        print(f"{name}: {licence or 'states no licence'}: may not be shipped; choose another package, or give the reason in {__file__}")
    print(f"{len(stated)} packages read, {len(refused)} refused")
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main(tuple(Path(argument) for argument in sys.argv[1:])))
