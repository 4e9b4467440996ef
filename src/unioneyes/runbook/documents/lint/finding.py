"""Rules and findings, and how a check walks through a document."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from unioneyes.runbook.documents.model import Block, Document, Language
from unioneyes.runbook.documents.parameters import masked
from unioneyes.runbook.documents.programs import Invocation, invocation
from unioneyes.runbook.documents.psql import asked_of
from unioneyes.runbook.documents.shell import Command, Script, read_script
from unioneyes.runbook.documents.sql import Statement, read_statements


class Severity(StrEnum):
    """How much a finding matters. The words are SARIF's."""

    ERROR = "error"
    """The block harms, or can't do what it says: it is not run until it is corrected, or accepted in the document."""
    WARNING = "warning"
    """It may mislead, or fail when it is needed."""
    NOTE = "note"
    """There is something better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One thing that the lint looks for."""

    id: str
    severity: Severity
    title: str
    """What a document does that has it: `scales to 0 before a deployment`."""
    wrong: str
    """What really happens."""
    do: str
    """What to do instead."""
    acceptable: bool = True
    """False where no comment accepts it."""

    def at(self, line: int, *, what: str = "", block: Block | None = None) -> Finding:
        """Return a finding of this rule; `what` where more can be said than the rule does."""
        accepted = next((each.why for each in block.accepted if each.rule == self.id), None) if block and self.acceptable else None
        begins = block.line if block else None
        return Finding(rule=self.id, severity=self.severity, line=line, what=what or self.wrong, do=self.do, accepted=accepted, block=begins)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong."""

    rule: str
    severity: Severity
    line: int
    what: str
    do: str
    accepted: str | None = None
    """Why the document accepts it; None when it does not."""
    block: int | None = None
    """The line where the block begins that it stands in; None when it stands in no block."""

    @property
    def blocks(self) -> bool:
        """True when the block that it stands in is not run."""
        return self.severity is Severity.ERROR and self.accepted is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """A command, where it stands in its document."""

    command: Command
    block: Block
    script: Script

    @property
    def run(self) -> Invocation:
        """Its program, with its words."""
        return invocation(self.command.words)

    @property
    def line(self) -> int:
        """In the document, 1-based."""
        return self.block.line + self.command.line - 1

    @property
    def shown(self) -> str:
        """Its line, as it stands."""
        return self.block.code.split("\n")[self.command.line - 1].strip()

    @property
    def after(self) -> tuple[Command, ...]:
        """The commands of the block that follow it."""
        return tuple(each for each in self.script.commands if each.line > self.command.line)

    @property
    def before(self) -> tuple[Command, ...]:
        """The commands of the block that it follows."""
        return tuple(each for each in self.script.commands if each.line < self.command.line)


def scripts(document: Document) -> Iterator[tuple[Block, Script]]:
    """Yield the bash blocks."""
    for block in document.blocks:
        if block.language is Language.BASH:
            yield block, read_script(masked(block))


def commands(document: Document) -> Iterator[Typed]:
    """Yield every command of every bash block."""
    for block, script in scripts(document):
        for command in script.commands:
            yield Typed(command=command, block=block, script=script)


def statements(document: Document) -> Iterator[tuple[Block, Statement, int]]:
    """Yield every statement with its line in the document: of SQL blocks, of what commands give to psql, and SQL that stands in bash like a command."""
    for block in document.blocks:
        if block.language is Language.SQL:
            for statement in read_statements(block.code):
                yield block, statement, block.line + statement.line - 1
    for typed in commands(document):
        if typed.command.foreign:
            yield typed.block, Statement(text=typed.command.text, line=1), typed.line
        for asked in asked_of(typed.command, typed.script):
            for statement in asked.statements:
                yield typed.block, statement, typed.block.line + asked.line + statement.line - 2
