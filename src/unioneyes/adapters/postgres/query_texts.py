"""What a query says without what it is about: members' data stands in its literals, and a query is shown without them.

Wherever a text can be read in two ways, as where it was cut off in the middle of a literal, the rest of it is left out.
"""

from __future__ import annotations

import re

_PART = re.compile(
    r"""
      (?P<comment>--[^\n]* | /\*)
    | (?P<escaped>(?<![\w$])[eE]'(?:[^'\\]|''|\\.)*')            # a literal with backslashes
    | (?P<literal>'(?:[^']|'')*')
    | (?P<name>"(?:[^"]|"")*")
    | (?P<dollar>(?<![\w$])\$(?P<tag>[A-Za-z_]\w*|)\$.*?\$(?P=tag)\$)
    | (?P<open>['"]|(?<![\w$])\$(?:[A-Za-z_]\w*)?\$)             # begun, and not ended: the server keeps the beginning of a text alone
    | (?P<parameter>\$\d+)
    | (?P<number>(?<![\w$.])(?:0[xXoObB][\da-fA-F_]+|(?:\d[\d_]*)?\.?\d[\d_]*\.?(?:[eE][+-]?\d+)?))
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT_EDGE = re.compile(r"/\*|\*/")
_SETTING = re.compile(r"\s*(SET\s+(?:SESSION\s+|LOCAL\s+)?[\w.]+)\b", re.IGNORECASE)
_MANY = re.compile(r"\?(?:\s*,\s*\?)+")
_VALUE, _CUT = "?", "…"


def valueless(text: str) -> str:
    """Return a query on one line, with `?` in place of each value and without comments; `…` stands for a rest that can't be told apart.

    Pure. What stands in quotation marks is a name and stays.
    """
    if (setting := _SETTING.match(text)) is not None:  # its value may stand there bare
        return f"{_line(setting[1])} {_CUT}"
    parts: list[str] = []
    at = 0
    while (found := _PART.search(text, at)) is not None:
        parts.append(text[at : found.start()])
        at = found.end()
        match found.lastgroup if found.lastgroup != "tag" else "dollar":
            case "comment":
                at = _comment_end(text, at) if found[0] == "/*" else at
                parts.append(" ")
            case "name" | "parameter":
                parts.append(found[0])
            case "open":
                parts.append(_CUT)
                break
            case "literal" if "\\'" in found[0]:  # with standard_conforming_strings off, it goes on behind that
                parts.append(_CUT)
                break
            case _:
                parts.append(_VALUE)
    else:
        parts.append(text[at:])
    return _MANY.sub(f"{_VALUE}, {_CUT}", _line("".join(parts)))


def _line(text: str) -> str:
    return " ".join(text.split())


def _comment_end(text: str, inside: int) -> int:
    """Return where the comment ends that began before `inside`. PostgreSQL's comments nest."""
    depth = 1
    for edge in _COMMENT_EDGE.finditer(text, inside):
        depth += 1 if edge[0] == "/*" else -1
        if depth == 0:
            return edge.end()
    return len(text)
