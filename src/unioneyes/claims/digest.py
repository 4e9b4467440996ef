"""What a release is made of, as one number. It is here what an image's digest is where releases are images."""

from __future__ import annotations

import hashlib
import json
import sys
from importlib.metadata import distributions
from pathlib import Path

CODE = Path(__file__).parents[1]
"""The program's own package."""
_PARTS = ("__init__.py", "claims", "kernel", "ports")
"""Of it, what a replica is made of: the service, and all that the service may import."""
_CACHE = "__pycache__"


def digest(version: str, generations: tuple[str, ...], code: Path) -> str:
    """Return the SHA-256 of what a replica of `version` would run: its source, its queries' generations, the interpreter, and each package's version.

    Not in it: the interpreter's and the packages' own files, which their versions name; the service's settings, which a plan carries; addresses and secrets.
    """
    made_of = {
        "version": version,
        "generations": generations,
        "interpreter": sys.version,
        "packages": sorted(f"{each.name} {each.version}" for each in distributions()),
        "source": {path.relative_to(code).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in _files(code)},
    }
    return hashlib.sha256(json.dumps(made_of, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _files(code: Path) -> list[Path]:
    parts = (code / part for part in _PARTS)
    found = (path for part in parts for path in ([part] if part.is_file() else part.rglob("*")))
    return sorted(path for path in found if path.is_file() and _CACHE not in path.parts)
