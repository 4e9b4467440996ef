"""Which paths an environment's file names: the source that goes out, what continuous integration says of it, and the project's own runbooks."""

from __future__ import annotations

from pathlib import Path

from unioneyes.environments.settings import EnvironmentSettings
from unioneyes.kernel.project import project_path


def source_folder(settings: EnvironmentSettings) -> Path:
    """Return the work tree whose version the checklist verifies, and in which the blocks of own runbooks run; this program's when none is named."""
    return Path(settings.source.folder).expanduser() if settings.source else project_path(".")


def report_file(settings: EnvironmentSettings) -> Path | None:
    """Return where continuous integration reports on the release contract; None when no report is named."""
    return Path(settings.release_contract.report).expanduser() if settings.release_contract else None


def runbooks_folder(settings: EnvironmentSettings) -> Path:
    """Return the folder of the project's own runbooks: `runbooks/` in the source when none is named."""
    return Path(settings.runbooks.folder).expanduser() if settings.runbooks.folder else source_folder(settings) / "runbooks"
