"""Documents as Markdown pages in a folder, the audit log's checkpoints in a file, and secrets in files."""

from unioneyes.adapters.files.checkpoints import CheckpointFile
from unioneyes.adapters.files.pages import MarkdownFolder, PageNotKept, PathOutside
from unioneyes.adapters.files.secrets import SecretFiles

__all__ = ["CheckpointFile", "MarkdownFolder", "PageNotKept", "PathOutside", "SecretFiles"]
