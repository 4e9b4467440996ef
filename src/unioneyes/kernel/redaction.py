"""Secrets never reach logs, journals, plans or error texts: known values and known shapes are blotted out."""

from __future__ import annotations

import re
from collections.abc import Iterable

BLOT = "[redacted]"

_SHAPES = (
    (("://",), re.compile(r"(?P<keep>\b[a-z][a-z0-9+]*://[^:/@\s]*:)[^@\s]+(?=@)")),  # scheme://user:PASSWORD@host
    (("=", ":"), re.compile(r"(?P<keep>\b(?:password|passwd|pwd|secret|token|api_?key)\s*[=:]\s*)(?!\[redacted\])[^\s,;&'\"]+", re.IGNORECASE)),
    (("bearer",), re.compile(r"(?P<keep>\bBearer\s+)[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE)),
    (("eyj",), re.compile(r"(?P<keep>)\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+")),  # a JWT
    (("ue_",), re.compile(r"(?P<keep>)\bue_[A-Za-z0-9_-]{43}")),  # one of ours
    (("xox",), re.compile(r"(?P<keep>)\bxox[abprs]-[A-Za-z0-9-]{8,}")),  # a Slack token
    (("/services/",), re.compile(r"(?P<keep>/services/)T[A-Z0-9]+/B[A-Z0-9]+/[A-Za-z0-9]+")),  # a Slack webhook's path
)
"""What secrets look like, and the signs, of which one stands in each of them, in small letters: most texts have none, and need not be searched."""
_SHORTEST = 6
"""Characters below which a known value is not blotted out: it would hit ordinary words."""


class Redactor:
    """Blots out the secrets that it was told of, and whatever looks like one."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        """Remember `known` values; short ones are left to the shapes."""
        self._known = sorted({value for value in known if len(value) >= _SHORTEST}, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """Return `text` without secrets."""
        for value in self._known:
            text = text.replace(value, BLOT)
        small = text.lower()
        for signs, shape in _SHAPES:
            if signs[0] in small or signs[-1] in small:
                text = shape.sub(rf"\g<keep>{BLOT}", text)
        return text
