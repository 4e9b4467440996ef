"""What a command gives psql to do: its `-c` words, what is fed to it, and the files that it is told to read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from unioneyes.runbook.documents.programs import Invocation, invocations
from unioneyes.runbook.documents.shell import Command, Script
from unioneyes.runbook.documents.sql import Statement, read_statements

ECHOES = {"echo", "printf"}
"""Programs whose output is what they are told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedOfPsql:
    """SQL that one command gives to psql."""

    text: str
    line: int
    """1-based, within the block, where it begins."""
    fed: bool
    """True when psql reads it as a script: it goes on after an error, and knows variables and backslash commands."""

    @property
    def statements(self) -> tuple[Statement, ...]:
        """Its statements, their lines within `text`."""
        return read_statements(self.text)


def psql_of(command: Command) -> Invocation | None:
    """Return psql as the command runs it, here or by `kubectl exec`, `ssh` and the like; None when it runs none."""
    return next((run for run in invocations(command) if run.program == "psql"), None)


def asked_of(command: Command, script: Script) -> tuple[AskedOfPsql, ...]:
    """Return the SQL that can be read in the block; what stands in files can't."""
    return tuple(_asked(command, script))


def _asked(command: Command, script: Script) -> Iterator[AskedOfPsql]:
    psql = psql_of(command)
    if psql is None:
        return
    for text in psql.values("-c", "--command"):
        yield AskedOfPsql(text=text, line=command.line, fed=False)
    if (fed := _fed(command)) is not None:
        yield AskedOfPsql(text=fed[0], line=fed[1], fed=True)
    for source in script.feeding(command):
        runs = invocations(source)
        if runs[0].program in ECHOES:
            yield AskedOfPsql(text=" ".join(runs[0].operands), line=source.line, fed=True)
        elif runs[0].program == "cat" and (passed := _fed(source)) is not None:
            yield AskedOfPsql(text=passed[0], line=passed[1], fed=True)


def fed_files_of(command: Command, script: Script) -> tuple[str, ...]:
    """Return the files that are fed to psql, by a redirect or `cat`."""
    if psql_of(command) is None:
        return ()
    fed = [redirect.target for redirect in command.redirects if redirect.operator == "<"]
    passed = [operand for source in script.feeding(command) for run in invocations(source)[:1] if run.program == "cat" for operand in run.operands]
    return (*fed, *passed)


def _fed(command: Command) -> tuple[str, int] | None:
    """Return the text that the block itself feeds to the command, and its line; None when there is none."""
    if command.fed is not None:
        return command.fed, command.last_line + 1
    words = [redirect.target for redirect in command.redirects if redirect.operator == "<<<"]
    return (words[0], command.line) if words else None
