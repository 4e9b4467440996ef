"""Findings as SARIF 2.1.0, which code hosts and editors show beside the lines."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import JsonValue

from unioneyes.runbook.documents.lint.checks import RULES
from unioneyes.runbook.documents.lint.finding import Finding

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def sarif(findings: Sequence[Finding], uri: str) -> JsonValue:
    """Return the findings in the document at `uri` as one SARIF log; what the document accepts is there, suppressed with its reason."""
    rules: list[JsonValue] = [
        {
            "id": rule.id,
            "shortDescription": {"text": rule.title},
            "fullDescription": {"text": rule.wrong},
            "help": {"text": rule.do},
            "defaultConfiguration": {"level": rule.severity.value},
        }
        for rule in RULES
    ]
    results: list[JsonValue] = [_result(finding, uri) for finding in findings]
    driver: JsonValue = {"name": "ue runbook lint", "rules": rules}
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results}]}


def _result(finding: Finding, uri: str) -> JsonValue:
    suppressions: list[JsonValue] = [] if finding.accepted is None else [{"kind": "inSource", "justification": finding.accepted}]
    return {
        "ruleId": finding.rule,
        "level": finding.severity.value,
        "message": {"text": f"{finding.what}. To do: {finding.do}"},
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": uri}, "region": {"startLine": finding.line}}}],
        "suppressions": suppressions,
    }
