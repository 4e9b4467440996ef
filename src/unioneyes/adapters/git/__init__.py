"""What must be known before a release goes out: git's word on the source, staging's word on itself, the policy's waivers."""

from unioneyes.adapters.git.checklist import ReleaseChecklist

__all__ = ["ReleaseChecklist"]
