"""The document's table of contents. Source: "Table of Contents"."""

from __future__ import annotations

from dataclasses import dataclass

DOCUMENT = "Production Runbooks - UnionEyes Platform"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chapter:
    """One chapter, whether a program does it yet or not."""

    number: int
    title: str

    @property
    def page(self) -> str:
        """The name of its page: `2-rollback-procedures.md`."""
        return f"{self.number}-{self.title.lower().replace(' ', '-')}.md"


DEPLOYMENT = Chapter(number=1, title="Deployment Procedures")
ROLLBACK = Chapter(number=2, title="Rollback Procedures")
MONITORING = Chapter(number=3, title="Monitoring and Alerting")
INCIDENTS = Chapter(number=4, title="Incident Response")
DATABASE = Chapter(number=5, title="Database Operations")
SECURITY = Chapter(number=6, title="Security Procedures")
ESCALATION = Chapter(number=7, title="Escalation Contacts")
CONTENTS = (DEPLOYMENT, ROLLBACK, MONITORING, INCIDENTS, DATABASE, SECURITY, ESCALATION)
APPENDIX = "Appendix: Emergency Commands"
