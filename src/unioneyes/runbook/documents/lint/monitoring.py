"""What is wrong with a document's thresholds and its escalation."""

from __future__ import annotations

import re
from collections.abc import Iterator

import yaml
from pydantic import JsonValue, TypeAdapter, ValidationError

from unioneyes.runbook.documents.lint.finding import Finding, Rule, Severity
from unioneyes.runbook.documents.model import Block, Document, Row, Table

COUNTER = Rule(
    id="counter-as-threshold",
    severity=Severity.ERROR,
    title="alerts when a counter is above 0",
    wrong="it is a counter that never falls: the first one alerts for ever",
    do="alert on its increase over a window",
)
FLAT = Rule(
    id="flat-business-threshold",
    severity=Severity.WARNING,
    title="alerts when people do too little, at any hour",
    wrong="people sleep: it pages every night and every weekend, and is soon ignored",
    do="compare with the same hour of earlier weeks, under the same floor",
)
TWICE = Rule(
    id="one-fault-two-pages",
    severity=Severity.WARNING,
    title="alerts on an error rate and on a success rate",
    wrong="both fall to the same fault: whoever is on call is paged twice",
    do="keep one of the two, or make one breach of both",
)
SILENCE = Rule(
    id="escalation-ends",
    severity=Severity.ERROR,
    title="has a last level of escalation without a timeout",
    wrong="when nobody answers there, it ends in silence",
    do="give it a timeout, and begin again with the first level until somebody acknowledges",
)
RULES = (COUNTER, FLAT, TWICE, SILENCE)

_COUNTS = re.compile(r"deadlock|restart|oom|crash|total\b", re.IGNORECASE)
_PEOPLE = re.compile(r"/\s*(hour|h|day|min)", re.IGNORECASE)
_FAILS = re.compile(r"error rate|failure rate", re.IGNORECASE)
_SUCCEEDS = re.compile(r"success rate|availability", re.IGNORECASE)
_LEVELS: TypeAdapter[list[dict[str, JsonValue]]] = TypeAdapter(list[dict[str, JsonValue]])


def check(document: Document) -> Iterator[Finding]:
    """Yield what is wrong with thresholds and escalation."""
    watched: list[Row] = []
    for table in document.tables:
        column = _column(table)
        if column is None:
            continue
        for row in table.rows:
            watched.append(row)
            yield from _threshold(row, row.cells[column])
    failing = [row for row in watched if _FAILS.search(row.cells[0])]
    succeeding = [row for row in watched if _SUCCEEDS.search(row.cells[0])]
    if failing:
        for row in succeeding:
            yield TWICE.at(row.line, what=f"{row.cells[0]} here and {failing[0].cells[0]} in line {failing[0].line}: {TWICE.wrong}")
    for block in document.blocks:
        if block.info in {"yaml", "yml"}:
            yield from _escalation(block)


def _column(table: Table) -> int | None:
    """Return where the thresholds stand; None when the table has none."""
    return next((at for at, name in enumerate(table.head) if name.lower() in {"threshold", "limit", "alert"}), None)


def _threshold(row: Row, threshold: str) -> Iterator[Finding]:
    metric = row.cells[0]
    if _COUNTS.search(metric) and not _PEOPLE.search(f"{metric}{threshold}") and re.fullmatch(r">=?\s*[01]", threshold.strip()):
        yield COUNTER.at(row.line, what=f"{metric} {threshold}: {COUNTER.wrong}")
    if _PEOPLE.search(metric) and threshold.strip().startswith("<"):
        yield FLAT.at(row.line, what=f"{metric} {threshold}: {FLAT.wrong}")


def _escalation(block: Block) -> Iterator[Finding]:
    try:
        document = yaml.safe_load(block.code)
        levels = _LEVELS.validate_python(document["escalation_policy"] if isinstance(document, dict) else document)
    except (yaml.YAMLError, ValidationError, KeyError):
        return
    if levels and "level" in levels[-1] and not levels[-1].keys() & {"timeout", "repeat"}:
        starts = [number for number, line in enumerate(block.code.split("\n")) if re.match(r"\s*-\s*level\s*:", line)]
        yield SILENCE.at(block.line + starts[-1], what=f"level {levels[-1]['level']} has no timeout: {SILENCE.wrong}", block=block)
