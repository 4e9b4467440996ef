"""Reasons that people give, as journals, the audit log and incident reports keep them."""

from __future__ import annotations

import re

from unioneyes.kernel.problems import BadInput

LONGEST_REASON = 1_000
"""Characters."""
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""Also those that turn the direction of what follows."""


class UnusableReason(BadInput):
    """A reason was asked for, and one was given that can't be kept."""


def usable(reason: str) -> str:
    """Return a reason that says something, in one line that a terminal and an incident report can show. Raises: UnusableReason."""
    if not reason.strip():
        raise UnusableReason(what="the reason is empty", remedy="say why; it stands in the journal and in the incident report")
    if len(reason) > LONGEST_REASON:
        raise UnusableReason(what=f"the reason has {len(reason):,} characters", remedy=f"say it in {LONGEST_REASON:,}; the incident report has room for more")
    if _CONTROLS.search(reason):
        raise UnusableReason(what="the reason has line breaks or other control characters", remedy="say it in one line")
    return reason
