"""The document's upkeep as its pages show it. Source: the document's head and foot."""

from __future__ import annotations

from collections.abc import Iterator

from unioneyes.kernel.upkeep import Upkeep


def head(upkeep: Upkeep) -> Iterator[str]:
    """Yield what stands below a page's title."""
    yield f"**Version:** {upkeep.version}  "
    yield f"**Last Updated:** {upkeep.updated}  "
    yield f"**Status:** {upkeep.status}  "
    yield f"**Commit:** `{upkeep.commit}`\n"


def foot(upkeep: Upkeep) -> Iterator[str]:
    """Yield what stands at a page's end."""
    yield "---\n"
    yield f"**Document Owner:** {upkeep.owner}  "
    yield f"**Review Frequency:** {upkeep.frequency.capitalize()}  "
    yield f"**Last Review:** {upkeep.last_review}  "
    yield f"**Next Review:** {upkeep.next_review}"
    yield ""
