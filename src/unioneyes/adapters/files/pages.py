"""A folder of Markdown pages on this machine. Implements `ports.documents.Documents`."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from unioneyes.kernel.fencing import Fence
from unioneyes.kernel.files import keep_name
from unioneyes.kernel.problems import BadInput, Problem

_FENCE = ".fence"


@dataclass(frozen=True, slots=True)
class MarkdownFolder:
    """Pages below `root`, and nowhere else."""

    root: Path

    def write(self, path: str, text: str) -> str:
        """The page `path` holds `text`, whole or not at all; a page that stood there is replaced. Return where it stands.

        Raises: PathOutside (nothing was written), PageNotKept, FencedOff (what stood there stays).
        """
        page = self._page(path)
        partial = page.with_name(f".{page.name}.{secrets.token_hex(4)}")
        try:
            page.parent.mkdir(parents=True, exist_ok=True)
            with Fence(self.root / _FENCE).entered():
                with partial.open("x", encoding="utf-8", newline="") as file:
                    file.write(text)
                    file.flush()
                    os.fsync(file.fileno())
                partial.replace(page)
                keep_name(page.parent)
        except OSError as error:
            with suppress(OSError):
                partial.unlink()
            raise PageNotKept(what=f"{page} could not be written: {error.strerror}", remedy="make room or give write permission, then try again") from error
        return str(page)

    def read(self, path: str) -> str | None:
        """Return the page's text; None when there is none. Raises: PathOutside, PageNotKept (it can't be read)."""
        page = self._page(path)
        try:
            return page.read_bytes().decode("utf-8")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise PageNotKept(what=f"{page} can't be read: {error}", remedy="look at the file and its permissions") from error

    def _page(self, path: str) -> Path:
        root = self.root.resolve()
        page = (root / path).resolve()  # follows links, so that none leads outside
        if page == root or not page.is_relative_to(root):
            raise PathOutside(what=f"{path!r} is no page below {root}", remedy="name a path relative to it, such as docs/incidents/2026-02-09-incident.md")
        return page


class PathOutside(BadInput):
    """The path leads out of the folder."""


class PageNotKept(Problem):
    """The page could not be written or read."""
