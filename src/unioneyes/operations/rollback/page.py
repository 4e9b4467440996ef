"""The chapter's page, under the document's headings and in their order."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from unioneyes.kernel.units import format_duration
from unioneyes.operations.rollback.reasons import Trigger
from unioneyes.operations.rollback.report import POST_MORTEM_WITHIN
from unioneyes.operations.rollback.rules import mends
from unioneyes.operations.rollback.steps import tell_stakeholders, write_incident_report
from unioneyes.runbook.definition import definition
from unioneyes.runbook.pages.chapters import Cards, ChapterPage
from unioneyes.runbook.pages.contents import DEPLOYMENT, ROLLBACK
from unioneyes.runbook.pages.markdown import table

TRAFFIC, RELEASE, ROLLING, MIGRATION, RESTORE = "rollback.traffic", "rollback.release", "rollback.rolling", "rollback.migration", "rollback.restore"


def lines(cards: Cards) -> Iterator[str]:
    """Yield what stands on the page."""
    yield "### When to Rollback\n"
    yield from _triggers()
    yield f"### Rollback Steps (< {_minutes(definition(TRAFFIC).promise)} minutes)\n"
    yield "`ue rollback plan` shows which of the ways back are open now, what each loses and takes, and proposes one for `--reason`.\n"
    yield "#### Option A: Blue-Green Rollback\n"
    yield from cards(TRAFFIC)
    yield "#### Option B: Kubernetes Rollback\n"
    yield "The earlier release is started with its own configuration ([why](../decisions/0015-a-revision-has-its-own-configuration.md)).\n"
    yield from cards(RELEASE)
    yield (
        "**In place**, where a release went out replica by replica (`--strategy rolling`), or where there is no room for a second colour "
        "([why](../decisions/0039-rolling.md)):\n"
    )
    yield from cards(ROLLING)
    yield "#### Option C: Database Rollback (if migration applied)\n"
    yield (
        "**Restore from backup**: never over the live schema ([why](../decisions/0013-no-dump-over-a-live-schema.md)), but beside it, compared row by row, and "
        "swapped ([why](../decisions/0014-restored-beside-and-swapped.md)).\n"
    )
    yield from cards(RESTORE)
    yield "**Or apply down migration**: the rollback file, in one transaction, after a proven backup.\n"
    yield from cards(MIGRATION)
    yield "### Post-Rollback Actions\n"
    yield "The last steps of each of the five:\n"
    yield f"1. **Notify stakeholders**: `{tell_stakeholders.name}`. {tell_stakeholders.does}"
    yield f"2. **Create incident report**: `{write_incident_report.name}`. {write_incident_report.does}"
    yield f"3. **Schedule post-mortem**: due within {format_duration(POST_MORTEM_WITHIN)} of the healthy answer; the report and the message name the moment."
    yield "4. **Update deployment status**: a deployment that is taken back ends as `FAILED - ROLLED BACK`.\n"


def _triggers() -> Iterator[str]:
    """Yield what asks for a rollback, and which way back mends it."""
    yield "**Immediate Rollback Triggers:**\n"
    yield (
        "The error rate is watched by every deployment, which goes back by itself: its rules and limits stand in "
        f"[chapter {DEPLOYMENT.number}]({DEPLOYMENT.page}). "
        "What no machine sees, a person says (`--reason`):\n"
    )
    rows = [
        (trigger.spelled, f"`{trigger}`", " or ".join(f"`{runbook}`" for runbook in runbooks), because)
        for trigger in Trigger
        for runbooks, because in dict.fromkeys(mends(trigger, migrated=migrated) for migrated in (True, False))
    ]
    yield from table(("in the document", "`--reason`", "mended by", "because"), rows)
    yield ""


def _minutes(promise: timedelta | None) -> int:
    return 0 if promise is None else promise // timedelta(minutes=1)


PAGE = ChapterPage(chapter=ROLLBACK, runbooks=(TRAFFIC, RELEASE, ROLLING, RESTORE, MIGRATION), lines=lines)
