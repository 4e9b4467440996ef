"""What the pods logged, line by line: what there is, and what comes."""

from __future__ import annotations

import json
import re
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

from pydantic import JsonValue, TypeAdapter

from unioneyes.cli.client import Answer, Api, ServerUnavailable
from unioneyes.cli.options import Format, Output
from unioneyes.cli.output import Ink, put, result, say
from unioneyes.kernel.clock import Deadline, rfc3339
from unioneyes.kernel.problems import BadInput, ExitCode
from unioneyes.kernel.status import Tone
from unioneyes.ports.replicas import LogLine
from unioneyes.ports.traffic import Colour

MOST_LINES = 10_000
"""What the API gives at once."""
GIVE_UP_AFTER = timedelta(seconds=30)
"""How long a server may be away."""
_AGAIN_SECONDS = 1.0
_REMEMBERED = 1_000
"""Lines that are not printed a second time where a lost connection is taken up again."""
_TONES = {"WARNING": Tone.WARN, "ERROR": Tone.BAD, "CRITICAL": Tone.BAD, "DEBUG": Tone.QUIET}
_DATA = "data: "
_LINES = TypeAdapter(tuple[LogLine, ...])
_LINE = TypeAdapter(LogLine)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Which lines are meant."""

    pod: str | None
    colour: Colour | None
    since: datetime | None
    previous: bool
    grep: str | None
    tail: int

    def wanted(self) -> Callable[[LogLine], bool]:
        """Return what tells a line that is meant, as it is printed. Raises: BadInput where the expression is none."""
        if self.grep is None:
            return lambda _: True
        try:
            found = re.compile(self.grep)
        except re.error as error:
            raise BadInput(
                what=f"{self.grep!r} is no regular expression: {error}", remedy="write . * [ ( as \\. \\* \\[ \\( where they stand for themselves"
            ) from None
        return lambda line: found.search(line_text(Ink(colour=False), line)) is not None

    def query(self, *, limit: int) -> dict[str, str | int | float | bool | None]:
        """Return what the API is asked for."""
        since = None if self.since is None else rfc3339(self.since)
        return {"pod": self.pod, "colour": self.colour, "since": since, "previous": True if self.previous else None, "limit": limit}


def line_text(ink: Ink, line: LogLine) -> str:
    """Return a line as people read it."""
    level = ink.tone(_TONES[line.level], line.level) if line.level in _TONES else line.level
    request = ink.quiet(f" [{line.request_id}]") if line.request_id else ""
    return f"{ink.quiet(rfc3339(line.at))} {line.replica} {level} {line.message}{request}"


def past_lines(api: Api, chosen: Chosen, output: Output) -> ExitCode:
    """The person sees the last of the lines that are meant."""
    wanted, tail = chosen.wanted(), _limit(chosen.tail)
    found: Answer[tuple[LogLine, ...]] = api.get("app/logs", tuple[LogLine, ...], chosen.query(limit=tail if chosen.grep is None else MOST_LINES))
    lines = tuple(line for line in found.value if wanted(line))[-tail:]
    if not lines and output.output is Format.TABLE:
        say("nothing was found")
        return ExitCode.FAILED
    document: JsonValue = _LINES.dump_python(lines, mode="json")
    result(output, document, lambda ink: "\n".join(line_text(ink, line) for line in lines))
    return ExitCode.DONE if lines else ExitCode.FAILED


def follow_lines(api: Api, chosen: Chosen, output: Output) -> ExitCode:
    """The person sees the lines that are meant as they come, until they have enough, or no pod is there any more."""
    if output.output is Format.JSON:
        raise BadInput(what="what is followed is many objects", remedy="-o jsonl prints one on each line")
    wanted, tail = chosen.wanted(), _limit(chosen.tail)
    ink, printed = Ink(colour=False) if output.to else Ink.of(sys.stdout), 0
    try:
        for line in _coming(api, replace(chosen, tail=tail)):
            if wanted(line):
                _print(
                    output.to, json.dumps(_LINE.dump_python(line, mode="json"), ensure_ascii=False) if output.output is Format.JSONL else line_text(ink, line)
                )
                printed += 1
    except KeyboardInterrupt:
        say("\nno longer following; nothing was changed")
        return ExitCode.DETACHED
    say("no pod is there any more")
    return ExitCode.DONE if printed else ExitCode.FAILED


def _coming(api: Api, chosen: Chosen) -> Iterator[LogLine]:
    """Yield the lines, each once, also where the server goes away for a moment. Raises: ServerUnavailable when it stays away."""
    seen: deque[LogLine] = deque(maxlen=_REMEMBERED)
    since, away = chosen.since, Deadline.after(GIVE_UP_AFTER)
    while True:
        asked = {name: value for name, value in replace(chosen, since=since).query(limit=MOST_LINES if seen else chosen.tail).items() if value is not None}
        try:
            with api.lines(f"app/logs/stream?{urlencode(asked)}") as lines:
                for text in lines:
                    away = Deadline.after(GIVE_UP_AFTER)
                    if text.startswith(_DATA) and (line := _LINE.validate_json(text.removeprefix(_DATA))) not in seen:
                        seen.append(line)
                        since = line.at
                        yield line
        except ServerUnavailable as problem:
            if away.passed:
                raise
            say(f"‖ {problem.what}; trying again")
            time.sleep(_AGAIN_SECONDS)
        else:
            return


def _print(to: Path | None, text: str) -> None:
    if to is None:
        put(text)
        return
    with to.open("a", encoding="utf-8") as file:
        file.write(f"{text}\n")


def _limit(tail: int) -> int:
    if not 1 <= tail <= MOST_LINES:
        raise BadInput(what=f"--tail {tail} is out of range", remedy=f"name a number from 1 to {MOST_LINES:,}")
    return tail
