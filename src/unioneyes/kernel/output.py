"""What a program or a statement prints, as far as it is kept: whole lines of its beginning and of its end.

A line is kept whole or not at all: whoever blots secrets out afterwards finds them only where nobody cut them in two.
"""

from __future__ import annotations

from collections import deque

HEAD, TAIL = 2_000, 6_000
"""Bytes kept of the beginning and of the end. A line that is longer than `TAIL` is left out."""
_SHOWN_LINE = 1_000
"""Bytes of a line that is told by itself."""
_NOTHING = "it printed nothing"


class Kept:
    """Bytes as they come, in bounded memory."""

    def __init__(self) -> None:
        """Keep nothing yet."""
        self._head: list[bytes] = []
        self._room = HEAD
        self._tail: deque[bytes] = deque()
        self._in_tail = 0
        self._dropped = 0
        self._rest = b""
        """Of the line that is not ended yet."""
        self._overlong = 0
        """Bytes of that line which were let go already."""
        self._last = ""

    def add(self, chunk: bytes) -> None:
        """`chunk` is kept, as far as there is room."""
        *lines, rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            self._end_line(line + b"\n")
        if self._overlong or len(rest) > TAIL:
            self._overlong += len(rest)
            rest = b""
        self._rest = rest

    def close(self, *, whole: bool) -> None:
        """Nothing comes any more. The last line counts without its end when the program ended by itself, as a `whole` one; else it may be half of one."""
        if self._rest or self._overlong:
            if whole:
                self._end_line(self._rest)
            else:
                self._keep(_left_out(self._overlong + len(self._rest), "of an unfinished line "))
        self._rest, self._overlong = b"", 0

    def text(self) -> str:
        """Return the whole lines that are kept, and how much was left out between."""
        gap = _left_out(self._dropped) if self._dropped else b""
        return printable(b"".join((*self._head, gap, *self._tail)))

    def end(self, most: int) -> str:
        """Return the last lines that are kept, in `most` bytes."""
        found: list[bytes] = []
        for line in reversed((*self._head, *self._tail)):
            if sum(map(len, found)) + len(line) > most:
                found = found or [_left_out(len(line))]
                break
            found.insert(0, line)
        return printable(b"".join(found)).strip() or _NOTHING

    def last_line(self) -> str:
        """Return the last line that is ended and not empty; empty when none came yet."""
        return self._last

    def _end_line(self, line: bytes) -> None:
        length = self._overlong + len(line)
        self._overlong = 0
        if length > TAIL:
            line = _left_out(length, "of one line ")
        shown = printable(line).strip()
        if shown:
            self._last = shown if len(line) <= _SHOWN_LINE else f"(a line of {length:,} bytes)"
        self._keep(line)

    def _keep(self, line: bytes) -> None:
        if len(line) <= self._room and not self._tail and not self._dropped:
            self._head.append(line)
            self._room -= len(line)
            return
        self._tail.append(line)
        self._in_tail += len(line)
        while self._in_tail > TAIL:
            gone = len(self._tail.popleft())
            self._in_tail -= gone
            self._dropped += gone


def printable(content: bytes) -> str:
    """Return the text, without the control characters that terminals obey."""
    text = content.decode("utf-8", errors="replace")
    return "".join(character for character in text if character in "\n\t" or character.isprintable())


def _left_out(count: int, what: str = "") -> bytes:
    return f"... {count:,} bytes {what}left out ...\n".encode()
