"""Suggested commands reach the environment that the person spoke of: a remedy is written without knowing it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from unioneyes.cli.options import Where
from unioneyes.cli.tree import VERBS

_COMMAND = re.compile(rf"(?<![\w-])ue (?:{'|'.join(sorted((re.escape(verb.words) for verb in VERBS), key=len, reverse=True))})(?![\w-])")


def with_flags(text: str, flags: str) -> str:
    """Return `text`, where every `ue ...` command that lacks `flags` has them behind its verb: `ue run watch --home DIR RUN`."""
    if not flags:
        return text
    found = list(_COMMAND.finditer(text))
    ends = [*(match.start() for match in found[1:]), len(text)]
    shown = text[: found[0].start()] if found else text
    for match, end in zip(found, ends, strict=False):
        rest = text[match.end() : end]
        shown += match.group() + ("" if flags in rest else flags) + rest
    return shown


def spoken_where(words: Sequence[str], environ: Mapping[str, str]) -> Where:
    """Return the environment that a command line speaks of, also where the command line could not be read to its end."""
    named = {"--env": environ.get("UE_ENV"), "--home": environ.get("UE_HOME")}
    for word, following in zip(words, [*words[1:], ""], strict=False):
        flag, given, value = word.partition("=")
        if flag in named:
            named[flag] = value if given else following
    return Where(env=named["--env"] or "local", home=Path(named["--home"]) if named["--home"] else None)
