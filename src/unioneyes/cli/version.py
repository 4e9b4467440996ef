"""Which release of the program this is."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version


def version() -> str:
    """Return `ue 0.1.0`; `ue (not installed)` when the package has no metadata."""
    try:
        return f"ue {installed_version('unioneyes')}"
    except PackageNotFoundError:
        return "ue (not installed)"
