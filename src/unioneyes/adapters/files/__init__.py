"""Documents as Markdown pages in a folder, backups in another, the audit log's checkpoints in a file, and secrets in files."""

from unioneyes.adapters.files.backup_folder import BackupFolder
from unioneyes.adapters.files.checkpoints import CheckpointFile
from unioneyes.adapters.files.pages import MarkdownFolder, PageNotKept, PathOutside
from unioneyes.adapters.files.secrets import SecretFiles

__all__ = ["BackupFolder", "CheckpointFile", "MarkdownFolder", "PageNotKept", "PathOutside", "SecretFiles"]
