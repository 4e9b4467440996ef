"""Where the files that belong to the product but are no code stand: `policy/`, `db/`, `docs/`."""

from __future__ import annotations

from pathlib import Path

_PACKAGED = Path(__file__).parents[1] / "_project"
_CHECKOUT = Path(__file__).parents[3]


def project_path(relative: str) -> Path:
    """Return the path of a project file: from the installed package where it carries them, else from the checkout."""
    packaged = _PACKAGED / relative
    return packaged if packaged.exists() else _CHECKOUT / relative
