"""A status that is shown anew each second: on a terminal in place, as JSON one line each."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from unioneyes.cli.client import Answer
from unioneyes.cli.options import Format, Output
from unioneyes.cli.output import Ink, say
from unioneyes.kernel.problems import ExitCode, Refused

T = TypeVar("T")

_EVERY = timedelta(seconds=1)
_HOME_AND_CLEAR = "\033[H\033[J"


def watched(output: Output, look: Callable[[], Answer[T]], text: Callable[[Ink, T], str], *, ends_as: Callable[[T], ExitCode | None]) -> ExitCode:
    """Show what `look` finds until `ends_as` says how that ended; Ctrl-C leaves it alone. Raises: NotWatchable, and what `look` raises."""
    if output.output is Format.JSON or output.to is not None:
        raise NotWatchable(what="a status that is watched is many objects", remedy="-o jsonl prints one on each line; leave --to out")
    drawn = sys.stdout.isatty() and output.output is Format.TABLE
    try:
        while True:
            shown = look()
            said = text(Ink.of(sys.stdout), shown.value) if output.output is Format.TABLE else json.dumps(shown.document, ensure_ascii=False)
            print(f"{_HOME_AND_CLEAR}{said}" if drawn else said, flush=True)  # noqa: T201 - the result
            ended = ends_as(shown.value)
            if ended is not None:
                return ended
            time.sleep(_EVERY.total_seconds())
    except KeyboardInterrupt:
        say("\nno longer watching; what runs goes on")
        return ExitCode.DETACHED


class NotWatchable(Refused):
    """The form that was asked for can't hold what is watched."""
