"""An object store that speaks S3: Amazon's, or another one's at an address of its own. The only place that imports its SDK."""

from unioneyes.adapters.s3.backup_objects import BackupObjects
from unioneyes.adapters.s3.checkpoints import CheckpointObjects, Retention
from unioneyes.adapters.s3.client import s3_client

__all__ = ["BackupObjects", "CheckpointObjects", "Retention", "s3_client"]
