"""Canaries: secrets that must not be found anywhere but where they are kept; and looking for them, in every form, everywhere."""

from __future__ import annotations

import base64
import html
import json
import os
import subprocess
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, quote_plus

import psycopg

LOOK_EVERY = 0.03
"""Seconds between two looks at all processes."""


@dataclass(frozen=True, slots=True)
class Canary:
    """One secret."""

    name: str
    value: str

    def forms(self) -> Iterator[bytes]:
        """Return it as it could be written. Written independently of the product's own redaction."""
        raw = self.value.encode()
        for text in (self.value, quote(self.value), quote(self.value, safe=""), quote_plus(self.value), html.escape(self.value), repr(self.value)[1:-1]):
            yield text.encode()
        yield json.dumps(self.value)[1:-1].encode()
        yield raw.hex().encode()
        for before in range(3):
            inner = base64.b64encode(b"\x00" * before + raw)[4 * (before > 0) :].rstrip(b"=")[:-2]
            yield inner
            yield inner.replace(b"+", b"-").replace(b"/", b"_")


@dataclass(frozen=True, slots=True)
class Found:
    """A canary, and where it was found."""

    canary: str
    where: str
    form: str


@dataclass(frozen=True, slots=True)
class Flock:
    """All canaries."""

    canaries: tuple[Canary, ...]

    def needles(self) -> dict[bytes, str]:
        return {form: canary.name for canary in self.canaries for form in canary.forms()}

    def in_text(self, where: str, content: str | bytes) -> list[Found]:
        content = content.encode() if isinstance(content, str) else content
        return [Found(name, where, needle.decode(errors="replace")[:12]) for needle, name in self.needles().items() if needle in content]

    def in_files(self, *folders: Path) -> list[Found]:
        """Return what stands in files anywhere below; one pass over everything, whatever it is."""
        searched = subprocess.run(
            ["grep", "-rlaF", "-D", "skip", "-f", "-", *folders],
            input=b"\n".join(self.needles()),
            capture_output=True,
            check=False,
            env={**os.environ, "LC_ALL": "C"},
            timeout=120,
        )
        assert searched.returncode in {0, 1}, searched.stderr
        return [each for path in searched.stdout.decode().splitlines() for each in self.in_text(path, Path(path).read_bytes())]

    def in_database(self, url: str) -> list[Found]:
        """Return what stands in any column of any table, binary ones too, and in what the server says of its sessions."""
        found = []
        with psycopg.connect(url, autocommit=True) as connection:
            tables = connection.execute(
                "SELECT format('%I.%I', table_schema, table_name) FROM information_schema.tables "
                "WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')"
            ).fetchall()
            assert len(tables) > 5
            for (table,) in (*tables, ("pg_catalog.pg_stat_activity",), ("pg_catalog.pg_settings",)):
                for (row,) in connection.execute(f"SELECT t::text FROM {table} t").fetchall():  # noqa: S608 - the names are the catalogue's
                    found += self.in_text(f"table {table}", row)
        return found


@dataclass(slots=True)
class Watcher:
    """Looks at the arguments and the environment of every process, again and again."""

    flock: Flock
    arguments: dict[Found, str] = field(default_factory=dict)
    """A canary in a process's arguments -> its whole command line."""
    environments: dict[Found, str] = field(default_factory=dict)
    programs: set[str] = field(default_factory=set)
    """What was seen to run: a test that saw nothing shows nothing."""
    _ends: threading.Event = field(default_factory=threading.Event)
    _searched: set[int] = field(default_factory=set)
    """Of what was searched for all the needles that there were: most processes are what they were a moment ago."""

    def look(self) -> None:
        needles = self.flock.needles()
        wanted = hash(frozenset(needles))
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                line, environment = _seen(process)
                if (content := hash((line, environment, wanted))) in self._searched:
                    continue
                self._note(needles, line, self.arguments, line)
                self.programs |= {Path(word).name for word in line.decode(errors="replace").split("\0")[:3] if word}
                self._note(needles, environment, self.environments, line)
                self._searched.add(content)

    def _note(self, needles: Mapping[bytes, str], content: bytes, found: dict[Found, str], line: bytes) -> None:
        for needle, name in needles.items():
            if needle in content:
                command = line.replace(b"\0", b" ").decode(errors="replace")
                found[Found(name, command[:200], needle.decode(errors="replace")[:12])] = command + (" [a block]" if b"UE_ENV=" in content else "")

    @contextmanager
    def watching(self) -> Iterator[None]:
        def keep_looking() -> None:
            while not self._ends.wait(LOOK_EVERY):
                self.look()

        thread = threading.Thread(target=keep_looking, name="watcher", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ends.set()
            thread.join()


def _seen(process: Path) -> tuple[bytes, bytes]:
    """Return the command line and the environment of one program: a process that becomes another one between two looks is looked at again."""
    line = (process / "cmdline").read_bytes()
    while True:
        environment = (process / "environ").read_bytes()
        if (again := (process / "cmdline").read_bytes()) == line:
            return line, environment
        line = again


def without(found: Iterable[Found], known: Mapping[str, str], below: Path) -> list[Found]:
    """Return what was found elsewhere than in the `known` files below the folder, each of which has its reason."""
    return [each for each in found if not any(Path(each.where).is_relative_to(below / place) for place in known)]
