"""Every check, in one call."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from unioneyes.runbook.documents.lint import database, monitoring, operations, shell, text
from unioneyes.runbook.documents.lint.finding import Finding, Rule, Severity
from unioneyes.runbook.documents.model import Block, Document

ACCEPTS_NOTHING = Rule(
    id="accepts-nothing",
    severity=Severity.WARNING,
    title="accepts a finding that is not there",
    wrong="the comment accepts what is not found in the block below it",
    do="remove the comment, or correct the rule's name",
)
CHECKS = (text, shell, database, operations, monitoring)
RULES: tuple[Rule, ...] = (*(rule for check in CHECKS for rule in check.RULES), ACCEPTS_NOTHING)


def lint(document: Document) -> tuple[Finding, ...]:
    """Return everything that is wrong with `document`, from its first line to its last; once per line, rule and text."""
    found = [finding for check in CHECKS for finding in check.check(document)]
    found += _idle(document.blocks, found)
    return tuple(sorted(dict.fromkeys(found), key=lambda finding: (finding.line, finding.rule)))


def _idle(blocks: Iterable[Block], found: Iterable[Finding]) -> Iterator[Finding]:
    hit = {(finding.block, finding.rule) for finding in found}
    for block in blocks:
        for accepted in block.accepted:
            if (block.line, accepted.rule) not in hit:
                yield ACCEPTS_NOTHING.at(block.line - 1, what=f"{accepted.rule}: {ACCEPTS_NOTHING.wrong}")
