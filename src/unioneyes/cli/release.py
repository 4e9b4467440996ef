"""`ue release`: what can be deployed."""

from __future__ import annotations

from unioneyes.cli.client import Api
from unioneyes.cli.options import HERE, PRINTED, Output, Where
from unioneyes.cli.output import Cell, Ink, result, table
from unioneyes.kernel.problems import ExitCode
from unioneyes.kernel.status import Tone
from unioneyes.ports.releases import Release


def list_releases(*, where: Where = HERE, output: Output = PRINTED) -> ExitCode:
    """List the releases that can be deployed."""
    found = Api(where).get("releases", tuple[Release, ...])
    result(output, found.document, lambda ink: _releases_table(ink, found.value))
    return ExitCode.DONE


def _releases_table(ink: Ink, releases: tuple[Release, ...]) -> str:
    rows = [(release.version, Cell(f"✘ {release.fault}", Tone.WARN) if release.fault else "-", release.migration or "-", release.note) for release in releases]
    return table(ink, ("version", "fault", "migration", "note"), rows, empty="no releases")
