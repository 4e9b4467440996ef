"""What is wrong with the document as a text: what can't be read, links that lead nowhere, blocks that are no steps."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from unioneyes.kernel.redaction import holds_secret
from unioneyes.kernel.units import format_duration
from unioneyes.runbook.documents.lint.finding import Finding, Rule, Severity
from unioneyes.runbook.documents.model import Block, Document
from unioneyes.runbook.documents.words import LONGEST, idle_undos, strange_words

UNENDED = Rule(
    id="unended-fence",
    severity=Severity.ERROR,
    title="opens a fence that is never closed",
    wrong="the fence is never closed: everything behind it is read as code",
    do="close it with the same characters on a line of their own",
)
GARBLED = Rule(
    id="garbled-text",
    severity=Severity.WARNING,
    title="was saved garbled",
    wrong="UTF-8 was read as Windows-1252 and saved again: people, and whoever a command writes to, see mojibake",
    do="put the right characters in, and save as UTF-8",
)
WINDOWS = Rule(
    id="windows-line-ends",
    severity=Severity.NOTE,
    title="has Windows line ends",
    wrong="lines end with a carriage return; they are read over here, but a shell that gets the lines by copy and paste does not",
    do="save with Unix line ends",
)
BROKEN_LINK = Rule(
    id="broken-link",
    severity=Severity.WARNING,
    title="links to a heading that does not exist",
    wrong="the link leads nowhere: whoever follows it in an incident is lost",
    do="name a heading that exists, or write the section",
)
NO_LANGUAGE = Rule(
    id="fence-without-language",
    severity=Severity.NOTE,
    title="has a block that names no language",
    wrong="the block names no language, so it is shown, and not run",
    do="write ```bash, ```sql or ```text",
)
UNKNOWN_WORD = Rule(
    id="unknown-word",
    severity=Severity.ERROR,
    title="says something behind a fence that is not known",
    wrong="behind the language stands what is not known, so it would be silently ignored",
    do=f"write timeout=DURATION ({format_duration(LONGEST)} at most), undo, or nothing",
)
UNDOES_NOTHING = Rule(
    id="undo-without-step",
    severity=Severity.ERROR,
    title="has an undo that follows no step",
    wrong="no step stands directly before it under the same heading, so there is nothing that it takes back",
    do="put it directly below the step that it takes back",
)
SECRET_WRITTEN = Rule(
    id="secret-in-document",
    severity=Severity.ERROR,
    title="holds a secret itself",
    wrong="the document is kept with each run of it, and shown: everybody who may look sees the secret",
    do='name a variable instead, "$API_TOKEN", and give it by a file or by reference; take a new secret, for this one is known; no comment accepts this',
    acceptable=False,
)
RULES = (UNENDED, GARBLED, WINDOWS, BROKEN_LINK, NO_LANGUAGE, UNKNOWN_WORD, UNDOES_NOTHING, SECRET_WRITTEN)


def check(document: Document) -> Iterator[Finding]:
    """Yield what is wrong with the text."""
    for block in document.blocks:
        yield from _of_block(block)
    for undo in idle_undos(document.blocks):
        yield UNDOES_NOTHING.at(undo.line - 1, block=undo)
    for garbled in document.source.garbled:
        yield GARBLED.at(garbled.line, what=f"{garbled.found!r} should be {garbled.meant!r}: {GARBLED.wrong}")
    if document.source.windows_lines:
        yield WINDOWS.at(1, what=f"{document.source.windows_lines} {WINDOWS.wrong}")
    for link in document.links:
        if link.target not in document.anchors:
            near = difflib.get_close_matches(link.target, document.anchors, n=1)
            hint = f"; #{near[0]} exists" if near else ""
            yield BROKEN_LINK.at(link.line, what=f"#{link.target} ({link.text}) is no heading{hint}: {BROKEN_LINK.wrong}")


def _of_block(block: Block) -> Iterator[Finding]:
    if not block.closed:
        yield UNENDED.at(block.line - 1, block=block)
    if not block.info:
        yield NO_LANGUAGE.at(block.line - 1, block=block)
    if block.language is not None and (strange := strange_words(block)):
        yield UNKNOWN_WORD.at(block.line - 1, what=f"{' '.join(strange)}: {UNKNOWN_WORD.wrong}", block=block)
    for line, written in enumerate(block.code.splitlines(), block.line):
        if holds_secret(written):
            yield SECRET_WRITTEN.at(line, block=block)
