"""What the lint found, and what of it keeps a run from beginning: pure."""

from __future__ import annotations

from unioneyes.kernel.problems import BadInput, Refused
from unioneyes.ports.checklist import Gate, GateState
from unioneyes.ports.database import LintFinding, Migration

NO_ROLLBACK = "ue-no-rollback"
"""The rule that a migration without a rollback file breaks."""


class LintBlocks(Refused):
    """A migration does what the lint stops, and nobody accepted it."""


class UnknownRule(BadInput):
    """What was accepted was not found."""


def without_way_back(migrations: tuple[Migration, ...]) -> tuple[LintFinding, ...]:
    """Return a finding for each migration that has no rollback file."""
    return tuple(
        LintFinding(tag=migration.tag, rule=NO_ROLLBACK, line=1, message="It has no rollback file: only a backup brings back what was before.", blocks=True)
        for migration in migrations
        if migration.rollback_sql is None
    )


def lint_gate(findings: tuple[LintFinding, ...], accepted: tuple[str, ...]) -> Gate:
    """Return whether the lint lets the run begin, as a line of a checklist."""
    name, title = "migration-lint", "Nobody is held up, and there is a way back"
    try:
        require_accepted(findings, accepted)
    except LintBlocks as problem:
        return Gate(name=name, title=title, state=GateState.FAILED, detail=problem.what, remedy=problem.remedy)
    told = (
        f"{len(findings)} findings, of which {len({*accepted})} rules are accepted" if accepted else f"{len(findings)} warnings" if findings else "no findings"
    )
    return Gate(name=name, title=title, state=GateState.PASSED, detail=told)


def require_accepted(findings: tuple[LintFinding, ...], accepted: tuple[str, ...]) -> None:
    """Return when each finding that blocks was accepted. Raises: LintBlocks."""
    blocking = [finding for finding in findings if finding.blocks and finding.rule not in accepted]
    if blocking:
        first = blocking[0]
        more = f" (and {len(blocking) - 1} more)" if len(blocking) > 1 else ""
        flags = " ".join(f"--accept {rule}" for rule in dict.fromkeys(finding.rule for finding in blocking))
        raise LintBlocks(
            what=f"{first.tag}.sql:{first.line}: {first.message} ({first.rule}){more}; nothing was changed",
            remedy=f"mend the migration, and release it under a new version; or, where you know that nobody is kept waiting: {flags}",
        )


def require_found(findings: tuple[LintFinding, ...], accepted: tuple[str, ...]) -> None:
    """Return when each accepted rule was broken: one that was not is mistyped, or meant for another release. Raises: UnknownRule."""
    found = {finding.rule for finding in findings}
    for rule in accepted:
        if rule not in found:
            raise UnknownRule(what=f"nothing here breaks the rule {rule}", remedy=f"leave it out; broken are: {', '.join(sorted(found)) or 'none'}")
