"""What tests need from npm: installed as its lock says, once, in a folder that git does not track."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

KEPT = Path(__file__).parents[1] / ".cache" / "npm"


def installed(here: Path) -> Path:
    """Return a copy of the folder `here` with what its lock names beside it; skips where there is no npm, or nothing that it reaches."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip(f"{here.name} needs node and npm")
    contents = b"".join(path.read_bytes() for path in sorted(here.iterdir()) if path.is_file())
    folder = KEPT / f"{here.name}-{hashlib.sha256(contents).hexdigest()[:12]}"
    if not (folder / "node_modules").exists():
        partial = KEPT / f"{folder.name}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(here, partial)
        try:
            subprocess.run(["npm", "ci"], cwd=partial, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=True)
        except subprocess.TimeoutExpired:
            pytest.skip(f"npm can't install {here.name} within a minute")
        except subprocess.CalledProcessError as failed:
            pytest.skip(f"npm can't install {here.name}: {failed.stderr.strip()[-200:]}")
        partial.rename(folder)
    return folder
