"""A status that is shown anew each second: on a terminal in place, as JSON one line each."""

from __future__ import annotations

import json
import re
import shutil
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from unioneyes.cli.client import Answer
from unioneyes.cli.follow import GIVE_UP_AFTER
from unioneyes.cli.options import Format, Output
from unioneyes.cli.output import Ink, put, say
from unioneyes.kernel.clock import now, rfc3339
from unioneyes.kernel.problems import ExitCode, Problem, Refused
from unioneyes.kernel.status import Tone

T = TypeVar("T")

_EVERY = timedelta(seconds=1)
_HOME_AND_CLEAR = "\033[H\033[J"
_COLOUR = re.compile(r"\033\[[0-9;]*m")


def watched(output: Output, look: Callable[[], Answer[T]], text: Callable[[Ink, T], str], *, ends_as: Callable[[T], ExitCode | None]) -> ExitCode:
    """Show what `look` finds until `ends_as` says how that ended; Ctrl-C leaves it alone.

    What does not answer for a moment is looked for again: on a terminal as long as somebody watches, elsewhere for half a minute.
    Raises: NotWatchable, and what `look` raises.
    """
    if output.output is Format.JSON or output.to is not None:
        raise NotWatchable(what="a status that is watched is many objects", remedy="-o jsonl prints one on each line; leave --to out")
    drawn = sys.stdout.isatty() and output.output is Format.TABLE
    away_since = None
    try:
        while True:
            try:
                shown = look()
            except Problem as problem:
                away_since = away_since or time.monotonic()
                if not problem.document()["retryable"] or (not drawn and time.monotonic() - away_since > GIVE_UP_AFTER.total_seconds()):
                    raise
                if drawn:
                    _draw(f"{Ink.of(sys.stdout).tone(Tone.BAD, f'✘ {problem.what}')}\n  {problem.remedy}")
                else:
                    say(f"{problem.what}; trying again")
            else:
                away_since = None
                _show(output, shown, text, drawn=drawn)
                if (ended := ends_as(shown.value)) is not None:
                    return ended
            time.sleep(_EVERY.total_seconds())
    except KeyboardInterrupt:
        say("\nno longer watching; what runs goes on")
        return ExitCode.DETACHED


def fitting(said: str, *, columns: int, lines: int) -> str:
    """Return as much of `said` as a terminal has room for, from its first line on: what scrolls away nobody reads."""
    every = said.split("\n")
    rows = [max(1, -(-len(_COLOUR.sub("", line)) // columns)) for line in every]
    if sum(rows) <= lines:
        return said
    kept = 0
    while sum(rows[: kept + 1]) < lines:
        kept += 1
    return "\n".join((*every[:kept], f"… {len(every) - kept} more lines: make the terminal taller, or leave --watch out"))


def _show(output: Output, shown: Answer[T], text: Callable[[Ink, T], str], *, drawn: bool) -> None:
    if output.output is not Format.TABLE:
        put(json.dumps(shown.document, ensure_ascii=False))
    elif drawn:
        _draw(text(Ink.of(sys.stdout), shown.value))
    else:
        put(f"{rfc3339(now())}\n{text(Ink.of(sys.stdout), shown.value)}\n")


def _draw(said: str) -> None:
    """The terminal shows it from its top on, with the time, by which one sees that it goes on."""
    size = shutil.get_terminal_size()
    head = Ink.of(sys.stdout).quiet(f"{rfc3339(now())}; Ctrl-C ends it")
    put(f"{_HOME_AND_CLEAR}{fitting(f'{head}{chr(10)}{said}', columns=size.columns, lines=size.lines - 1)}")


class NotWatchable(Refused):
    """The form that was asked for can't hold what is watched."""
