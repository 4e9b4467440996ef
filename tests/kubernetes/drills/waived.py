"""What a drill on a cluster does without: an environment that is no rehearsal of `ue` asks for all of it."""

from __future__ import annotations

WAIVED = """
[waivers]
current-version = "a drill runs on whatever stands in the work tree"
release-contract = "a drill, to which no continuous integration reports"
staging-health = "a drill, before which no staging stands"
security-sign-off = "a drill, with no member's data"
product-approval = "a drill, which no member sees"
migration-review = "a drill, in which each migration is rehearsed first"
"""
