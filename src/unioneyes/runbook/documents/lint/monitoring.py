"""What is wrong with a document's thresholds and its escalation."""

from __future__ import annotations

import re
from collections.abc import Iterator

import yaml

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
_OVER_TIME = re.compile(
    r"(/|\bper\b|\bover\b|\bin\b|\bwithin\b|\blast\b)\s*\d*\s*(s|sec|seconds?|m|min|minutes?|h|hours?|d|days?)\b|\bincrease|\brate\b|\bnew\b", re.IGNORECASE
)
"""What is counted within a window falls back to 0."""
_COMPARED = re.compile(r"\bweeks?\b|\bbaseline\b|\bsame (hour|time|day)\b|\busual\b", re.IGNORECASE)
_PEOPLE = re.compile(r"/\s*(hour|h|day|min)", re.IGNORECASE)
_FAILS = re.compile(r"error rate|failure rate", re.IGNORECASE)
_SUCCEEDS = re.compile(r"success rate|availability", re.IGNORECASE)


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
    if _COUNTS.search(metric) and not _OVER_TIME.search(f"{metric} {threshold}") and re.match(r">=?\s*[01]\b", threshold.strip()):
        yield COUNTER.at(row.line, what=f"{metric} {threshold}: {COUNTER.wrong}")
    if _PEOPLE.search(metric) and threshold.strip().startswith("<") and not _COMPARED.search(threshold):
        yield FLAT.at(row.line, what=f"{metric} {threshold}: {FLAT.wrong}")


def _escalation(block: Block) -> Iterator[Finding]:
    """Look at the tree alone: no value is made of it, so nothing of what YAML knows (dates, aliases that multiply) can fail or grow."""
    try:
        root = yaml.compose(block.code, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError):
        return
    levels = _keys(root).get("escalation_policy") if isinstance(root, yaml.MappingNode) else root
    last = levels.value[-1] if isinstance(levels, yaml.SequenceNode) and levels.value else None
    keys = _keys(last)
    level = keys.get("level")
    if isinstance(last, yaml.Node) and isinstance(level, yaml.ScalarNode) and not keys.keys() & {"timeout", "repeat"}:
        yield SILENCE.at(block.line + last.start_mark.line, what=f"level {level.value} has no timeout: {SILENCE.wrong}", block=block)


def _keys(node: yaml.Node | None) -> dict[str, yaml.Node]:
    """Return what a mapping holds, with what `<<` merges into it from another one."""
    if not isinstance(node, yaml.MappingNode):
        return {}
    named = [(key.value, value) for key, value in node.value if isinstance(key, yaml.ScalarNode)]
    merged = [value for name, value in named if name == "<<" and isinstance(value, yaml.MappingNode)]
    inherited = {key.value: value for mapping in merged for key, value in mapping.value if isinstance(key, yaml.ScalarNode)}
    return {**inherited, **dict(named)}
