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
            r"(?P<keep>-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----)(?!\[redacted\])(?P<secret>(?:(?!-----)[A-Za-z0-9+/=:,.\s\\-])+"
            r"(?:-----END [A-Z ]{0,20}PRIVATE KEY-----)?)"
        ),
    ),
    (("://",), re.compile(r"(?P<keep>://[^:/@\s]*+:)[^@\s]++(?P<secret>(?=@))?")),  # scheme://user:PASSWORD@host
    (
        ("=", ":"),
        re.compile(
            r"(?P<keep>(?<![a-z0-9])(?:password|passwd|pwd|secret|token|api_?key)\s*+[=:]\s*+)(?P<secret>(?!\[redacted\]|@|(?:secret:)?//)[^\s,;&'\"]++)",
            re.IGNORECASE,
        ),
    ),
    (("bearer", "basic"), re.compile(r"(?P<keep>\b(?:Bearer|Basic)\s++)(?P<secret>[A-Za-z0-9._~+/=-]{8,}+)", re.IGNORECASE)),
    (("eyj",), re.compile(r"(?P<keep>)\beyJ[A-Za-z0-9_-]{8,}+(?P<secret>\.[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]++)?")),  # a JWT
    (("ue_",), re.compile(r"(?P<keep>)(?P<secret>\bue_[A-Za-z0-9_-]{43})")),  # one of ours
    (("xox",), re.compile(r"(?P<keep>)(?P<secret>\bxox[abprs]-[A-Za-z0-9-]{8,}+)")),  # a Slack token
    (("/services/",), re.compile(r"(?P<keep>/services/)(?P<secret>T[A-Z0-9]++/B[A-Z0-9]++/[A-Za-z0-9]++)")),  # a Slack webhook's path
)
"""What secrets look like, and the signs, of which one stands in each of them, in small letters: most texts have none, and need not be searched.

Texts come from anybody, and a search that takes the square of their length holds up the whole process. So each looks at a character a few times at most:
nothing is given back (`++`, or what follows may be missing), and what begins like a secret and turns out to be none is matched without its group `secret`,
and passed over as a whole.
"""
_SURE = re.compile(
    r"-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----"
    r"|(?<=[a-z0-9+])://[^:/@\s]*+:[^@\s$<{\[(*/]{2,}+@"
    r"|\bue_[A-Za-z0-9_-]{43}|\bxox[abprs]-[A-Za-z0-9-]{8}|/services/T[A-Z0-9]++/B[A-Z0-9]++/[A-Za-z0-9]"
    r"|\beyJ[A-Za-z0-9_-]{8,}+(?P<none>(?!\.[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]))?"
)
"""What is a secret itself, and neither a variable nor a placeholder of one; but for what begins like a JWT and is `none`."""
_BREAK = r"(?:(?:\\r)?\\n|\r?\n[ \t]*+)"
"""The end of a line within what was encoded, also in a text of JSON: programs wrap base64 after 64 or 76 characters."""
_BREAKS = re.compile(_BREAK)
_SHORTEST = 6
"""Characters below which a known value is not blotted out: it would hit ordinary words."""
_SHORTEST_LINE = 16
"""Characters below which a line of a known value, which may be shown alone, is not blotted out."""


def _keepable(text: str) -> str:
    text = text.replace("\x00", "\ufffd")
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def holds_secret(text: str) -> bool:
    """Return whether a secret stands in the text, by the shapes that nothing else has."""
    return any(found["none"] is None for found in _SURE.finditer(text))


class Redactor:
    """Blots out the secrets that it was told of, in every form that they may be shown in, and whatever looks like one."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        """Remember `known` values; short ones are left to the shapes."""
        long = [value for value in known if len(value) >= _SHORTEST]
        self._encoded = frozenset(form for value in long for form in _encodings(value.encode(errors="surrogateescape")))
        self._known = sorted(self._encoded.union(*(_forms(value) for value in long)), key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """Return `text` without secrets, and without what no database keeps (NUL, halves of pairs), in a time that grows with its length alone."""
        for value in self._known:
            text = text.replace(value, BLOT)
        text = self._unwrapped(text)
        small = text.lower()
        for signs, shape in _SHAPES:
            if signs[0] in small or signs[-1] in small:
                text = shape.sub(_blotted, text)
        return _keepable(text)

    def _unwrapped(self, text: str) -> str:
        """Return `text` without the encoded secrets that go over several lines."""
        joined, breaks = _BREAKS.subn("", text)
        if breaks:
            for form in self._encoded:
                if form in joined:
                    text = re.sub(f"{_BREAK}?+".join(map(re.escape, form)), BLOT, text)
        return text


def _blotted(found: re.Match[str]) -> str:
    """Return what is shown in place of what looks like a secret; itself, where it is none."""
    return found[0] if found["secret"] is None else found["keep"] + BLOT


def _forms(value: str) -> Iterator[str]:
    """Return the value as it is, and as it is written in addresses, JSON, HTML and Python; and its lines."""
    yield value
    yield from (quote(value, safe=""), quote(value), quote_plus(value), html.escape(value), repr(value)[1:-1])
    yield from (json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1])
    lines = value.splitlines()
    if len(lines) > 1:
        yield from (line for line in lines if len(line) >= _SHORTEST_LINE and not line.startswith("-----"))


def _encodings(content: bytes) -> Iterator[str]:
    """Return the content in hexadecimal digits and in base64."""
    yield from (content.hex(), content.hex().upper())
    for before in range(3):  # it may stand anywhere in what was encoded, as `user:password` is for HTTP
        yield from _in_base64(content, before)


def _in_base64(content: bytes, before: int) -> Iterator[str]:
    """Return the characters that the content alone decides, where `before` bytes stand in front of it."""
    first = (0, 2, 3)[before]
    whole = (before + len(content)) // 3 * 4
    encoded = base64.b64encode(bytes(before) + content)[first:whole].decode()
    if len(encoded) >= _SHORTEST:
        yield encoded
        yield encoded.translate(str.maketrans("+/", "-_"))
