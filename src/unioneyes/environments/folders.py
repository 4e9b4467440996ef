"""Which folders an environment's file names: the source that goes out, and the project's own runbooks."""

from __future__ import annotations

from pathlib import Path

from unioneyes.environments.settings import EnvironmentSettings
from unioneyes.kernel.project import project_path


def source_folder(settings: EnvironmentSettings) -> Path:
    """Return the work tree whose version the checklist verifies, and in which the blocks of own runbooks run; this program's when none is named."""
    return Path(settings.source.folder).expanduser() if settings.source else project_path(".")


def runbooks_folder(settings: EnvironmentSettings) -> Path:
    """Return the folder of the project's own runbooks: `runbooks/` in the source when none is named."""
    return Path(settings.runbooks.folder).expanduser() if settings.runbooks.folder else source_folder(settings) / "runbooks"
