"""Secrets never reach logs, journals, plans or error texts: known values and known shapes are blotted out."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

BLOT = "[redacted]"

_SHAPES = (
    (  # a private key in PEM, also one that was cut off, and one in a text of JSON
        ("-----begin",),
        re.compile(
            r"(?P<keep>-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----)(?!\[redacted\])(?:(?!-----)[A-Za-z0-9+/=:,.\s\\-])+"
            r"(?:-----END [A-Z ]{0,20}PRIVATE KEY-----)?"
        ),
    ),
    (("://",), re.compile(r"(?P<keep>\b[a-z][a-z0-9+]*://[^:/@\s]*:)[^@\s]+(?=@)")),  # scheme://user:PASSWORD@host
    (
        ("=", ":"),
        re.compile(r"(?P<keep>\b(?:password|passwd|pwd|secret|token|api_?key)\s*[=:]\s*)(?!\[redacted\]|@|(?:secret:)?//)[^\s,;&'\"]+", re.IGNORECASE),
    ),
    (("bearer", "basic"), re.compile(r"(?P<keep>\b(?:Bearer|Basic)\s+)[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE)),
    (("eyj",), re.compile(r"(?P<keep>)\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+")),  # a JWT
    (("ue_",), re.compile(r"(?P<keep>)\bue_[A-Za-z0-9_-]{43}")),  # one of ours
    (("xox",), re.compile(r"(?P<keep>)\bxox[abprs]-[A-Za-z0-9-]{8,}")),  # a Slack token
    (("/services/",), re.compile(r"(?P<keep>/services/)T[A-Z0-9]+/B[A-Z0-9]+/[A-Za-z0-9]+")),  # a Slack webhook's path
)
"""What secrets look like, and the signs, of which one stands in each of them, in small letters: most texts have none, and need not be searched."""
_SURE = re.compile(
    r"-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----"
    r"|\b[a-z][a-z0-9+]*://[^:/@\s]*:[^@\s$<{\[(*/]{2,}@"
    r"|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+"
    r"|\bue_[A-Za-z0-9_-]{43}|\bxox[abprs]-[A-Za-z0-9-]{8,}|/services/T[A-Z0-9]+/B[A-Z0-9]+/[A-Za-z0-9]+"
)
"""What is a secret itself, and neither a variable nor a placeholder of one."""
_SHORTEST = 6
"""Characters below which a known value is not blotted out: it would hit ordinary words."""
_SHORTEST_LINE = 16
"""Characters below which a line of a known value, which may be shown alone, is not blotted out."""


def holds_secret(text: str) -> bool:
    """Return whether a secret stands in the text, by the shapes that nothing else has."""
    return _SURE.search(text) is not None


class Redactor:
    """Blots out the secrets that it was told of, in every form that they may be shown in, and whatever looks like one."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        """Remember `known` values; short ones are left to the shapes."""
        forms = {form for value in known if len(value) >= _SHORTEST for form in _forms(value)}
        self._known = sorted(forms, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """Return `text` without secrets."""
        for value in self._known:
            text = text.replace(value, BLOT)
        small = text.lower()
        for signs, shape in _SHAPES:
            if signs[0] in small or signs[-1] in small:
                text = shape.sub(rf"\g<keep>{BLOT}", text)
        return text


def _forms(value: str) -> Iterator[str]:
    """Return the value as it is, as it is written in addresses, JSON, HTML, Python, base64 and hexadecimal digits; and its lines."""
    yield value
    yield from (quote(value, safe=""), quote(value), quote_plus(value), html.escape(value), repr(value)[1:-1])
    yield from (json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1])
    content = value.encode(errors="surrogateescape")
    yield content.hex()
    for before in range(3):  # it may stand anywhere in what was encoded, as `user:password` is for HTTP
        yield from _in_base64(content, before)
    lines = value.splitlines()
    if len(lines) > 1:
        yield from (line for line in lines if len(line) >= _SHORTEST_LINE and not line.startswith("-----"))


def _in_base64(content: bytes, before: int) -> Iterator[str]:
    """Return the characters that the content alone decides, where `before` bytes stand in front of it."""
    first = (0, 2, 3)[before]
    whole = (before + len(content)) // 3 * 4
    encoded = base64.b64encode(bytes(before) + content)[first:whole].decode()
    if len(encoded) >= _SHORTEST:
        yield encoded
        yield encoded.translate(str.maketrans("+/", "-_"))
