"""What a program prints, as far as it is kept: its beginning and its end."""

from __future__ import annotations

from threading import Lock

HEAD, TAIL = 2_000, 6_000
"""Bytes kept of the beginning and of the end."""


class Kept:
    """Bytes as they come, in bounded memory; read by one thread while another one writes."""

    def __init__(self) -> None:
        """Keep nothing yet."""
        self._head = bytearray()
        self._tail = bytearray()
        self._dropped = 0
        self._guard = Lock()

    def add(self, chunk: bytes) -> None:
        """`chunk` is kept, as far as there is room."""
        with self._guard:
            room = HEAD - len(self._head)
            self._head += chunk[:room]
            self._tail += chunk[room:] if room > 0 else chunk
            over = len(self._tail) - TAIL
            if over > 0:
                del self._tail[:over]
                self._dropped += over

    def text(self) -> str:
        """Return what is kept, and how much was left out between."""
        with self._guard:
            gap = f"\n... {self._dropped:,} bytes left out ...\n".encode() if self._dropped else b""
            return _shown(bytes(self._head) + gap + bytes(self._tail))

    def last_line(self) -> str:
        """Return the last line that is not empty; empty when nothing came yet."""
        with self._guard:
            lines = _shown(bytes(self._tail[-1000:]) or bytes(self._head[-1000:])).strip().splitlines()
        return lines[-1].strip() if lines else ""


def _shown(content: bytes) -> str:
    """Return the text, without the control characters that terminals obey."""
    text = content.decode("utf-8", errors="replace")
    return "".join(character for character in text if character in "\n\t" or character.isprintable())
