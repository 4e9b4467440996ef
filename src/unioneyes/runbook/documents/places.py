"""Whether a value that bash puts in somewhere may become code there: SQL, another shell's, an expression, or text of a language that nobody knows here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise

from unioneyes.runbook.documents.programs import Invocation, invocations
from unioneyes.runbook.documents.psql import ECHOES, asked_of, psql_of
from unioneyes.runbook.documents.shell import Command, Script
from unioneyes.runbook.documents.syntax import Reach
from unioneyes.runbook.documents.uses import Use


class Held(IntEnum):
    """How narrowly a value is held, for the sake of where it is put in."""

    FREE = 0
    """It stays one word, or is only shown."""
    PART = 1
    """It is a part of a path, an address or an option."""
    WORD = 2
    """What it is put into is read as code once more."""


_PASSES_ON = {*ECHOES, "cat", "tee", "true", ":"}
"""Programs that show or keep what they are told, whatever it says."""
_READS_CODE = {"eval", "source", ".", "ssh", "xargs", "let", "trap", "alias", "read", "unset", "mapfile", "at", "batch", "crontab", "bc", "sqlite3"}
"""Programs that read their words, or what is fed to them, as code."""
_INTERPRETERS = {"bash", "sh", "zsh", "dash", "ash", "ksh", "python", "python3", "perl", "ruby", "node", "mysql", "mongosh"}
"""Programs that read as code what stands behind `-c` or `-e`, and what is fed to them where they are given no file."""
_FILTERS = {"sed", "awk", "gawk", "mawk"}
"""Programs whose first operand is code; the others are files."""
_OF_PATHS = re.compile(r"[A-Za-z0-9_./:=@%+,?&-]*")
"""What stands beside a value that is a part of a path, an address or an option."""
_BINDS = {"-v", "--set", "--variable"}


def held_of(script: Script) -> tuple[Held, ...]:
    """Return how narrowly a value is held at each of the script's uses, in their order."""
    read: set[int] = set()
    read_as_code: set[int] = set()
    for command in script.commands:
        sources = {source.at for source in script.feeding(command)}
        read |= sources
        if sources and any(_reads_code(run) for run in invocations(command)):
            read_as_code |= sources
    read |= {command.at for command in script.commands if command.captured}
    commands = {command.at: command for command in script.commands}
    places = _Places(script=script, read=read, read_as_code=read_as_code)
    found = [places.held(use, commands.get(use.command) if use.command is not None else None) for use in script.uses]
    code = _set_from({use.name for use, how in zip(script.uses, found, strict=True) if use.reach is not Reach.SET and how is not Held.FREE}, script)
    return tuple(Held.WORD if use.reach is Reach.SET and use.sets in code else how for use, how in zip(script.uses, found, strict=True))


def _set_from(names: set[str], script: Script) -> set[str]:
    """Return `names`, with the variables that they are set from."""
    found, waiting = set(names), list(names)
    while waiting:
        new = script.flows.get(waiting.pop(), frozenset()) - found
        found |= new
        waiting += new
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Places:
    """One script, with what is known of its commands."""

    script: Script
    read: set[int]
    """Commands whose output others get."""
    read_as_code: set[int]
    """Those among them whose output is read as code."""

    def held(self, use: Use, command: Command | None) -> Held:
        match use.reach:
            case Reach.COUNTED:
                return Held.WORD
            case Reach.SET:
                return Held.FREE
            case Reach.ELSE:
                return _as_part(use)
            case Reach.WORD | Reach.DOCUMENT:
                return Held.WORD if command is None else self._by_command(use, command)

    def _by_command(self, use: Use, command: Command) -> Held:
        runs = invocations(command)
        if runs[0].program in _PASSES_ON and not runs[0].before:
            told = command.at in self.read and (use.beside is not None or command.captured or command.at in self.read_as_code)
            return Held.WORD if told else Held.FREE
        if use.reach is Reach.DOCUMENT:
            return Held.WORD
        if (psql := psql_of(command)) is not None and (bound := _bound(use, psql)) is not None:
            return Held.WORD if _pasted(bound, command, self.script) else Held.FREE
        if runs[0].program == "curl" and _is_header(use, runs[0]):
            return Held.FREE
        return Held.WORD if any(_reads_code(run, use) for run in runs) else _as_part(use)


def _as_part(use: Use) -> Held:
    return Held.FREE if use.beside is None else Held.PART if _OF_PATHS.fullmatch(use.beside) else Held.WORD


def _reads_code(run: Invocation, use: Use | None = None) -> bool:
    """Return True when the program reads as code what is fed to it, or, with `use`, the word that stands there."""
    if use is not None and "$" in run.program and use.name in run.program:
        return True
    if run.program == "psql":
        return use is None or any(_stands_in(use, text) for text in run.values("-c", "--command"))
    if run.program in _INTERPRETERS:
        told = any(re.fullmatch(r"-\w*[ce]|--(eval|execute)(=.*)?", word, re.DOTALL) for word in run.words)
        return told if use is not None else not run.operands
    if run.program in _FILTERS:
        return use is not None and (use.beside is not None or run.has("-e") or _stands_in(use, run.verb))
    return run.program in _READS_CODE or (run.program == "printf" and run.has("-v"))


def _stands_in(use: Use, word: str) -> bool:
    return re.search(rf"\$\{{?{use.name}\b", word) is not None


def _is_header(use: Use, curl: Invocation) -> bool:
    """Return True where the value is a part of one line that curl sends, behind its name: no value has a line's end."""
    headers = {word for option, word in pairwise(curl.words) if option in {"-H", "--header"} and re.match(r"[A-Za-z0-9-]+:", word)}
    return use.word.strip('"') in headers


def _bound(use: Use, psql: Invocation) -> str | None:
    """Return the variable of psql that is set to nothing but the value; None when it is put in otherwise."""
    told = (text.partition("=") for text in psql.values(*_BINDS))
    value = re.compile(rf"\"?\$\{{?{use.name}\}}?\"?")
    return next((name for name, _, text in told if value.fullmatch(text) and use.beside == f"{name}="), None)


def _pasted(variable: str, command: Command, script: Script) -> bool:
    """Return False when all that psql is fed stands in the block, and has the variable as `:'name'` or `:"name"` alone, which psql quotes."""
    fed = [asked.text for asked in asked_of(command, script) if asked.fed]
    return not fed or any(re.search(rf"(?<!:):{re.escape(variable)}\b", text) for text in fed)
