"""Documents that the program writes for people: incident reports and post-mortems."""

from __future__ import annotations

from typing import Protocol


class Documents(Protocol):
    """A folder of Markdown pages."""

    def write(self, path: str, text: str) -> str:
        """The page `path` (`docs/incidents/2026-02-09-incident.md`) holds `text`, whole or not at all; return where it stands."""

    def read(self, path: str) -> str | None:
        """Return the page's text; None when there is none."""
