"""What must be known before a release goes out: git's word on the source, continuous integration's on its commit, staging's on itself, the policy's waivers."""

from unioneyes.adapters.git.checklist import ReleaseChecklist

__all__ = ["ReleaseChecklist"]
