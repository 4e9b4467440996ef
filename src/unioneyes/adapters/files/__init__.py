"""Documents as Markdown pages in a folder, and the audit log's checkpoints in a file."""

from unioneyes.adapters.files.checkpoints import CheckpointFile
from unioneyes.adapters.files.pages import MarkdownFolder, PageNotKept, PathOutside

__all__ = ["CheckpointFile", "MarkdownFolder", "PageNotKept", "PathOutside"]
