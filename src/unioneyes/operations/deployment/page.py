"""The chapter's page, under the document's headings and in their order."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator

from unioneyes.kernel.units import format_duration, format_share
from unioneyes.operations.deployment import comparison, sequential, verdict
from unioneyes.operations.deployment.checklist import migration_reviewed, rollback_plan, sign_offs
from unioneyes.operations.deployment.evidence import evidence
from unioneyes.operations.deployment.migrating import MAINTENANCE_RETRY_AFTER
from unioneyes.operations.deployment.model import RuleSeen
from unioneyes.operations.deployment.shares import CANARY_PART
from unioneyes.operations.deployment.steps import LONGEST_BAKE, MORE_DATA_WITHIN
from unioneyes.operations.deployment.verification import health_check, log_check, schema_check, smoke_check, version_check
from unioneyes.ports.checklist import CHANGE_FREEZE, CURRENT_VERSION, RELEASE_CONTRACT, STAGING_HEALTH, TITLES, Checklist
from unioneyes.ports.environment import NoData
from unioneyes.ports.replicas import SliceKind
from unioneyes.runbook.definition import definition
from unioneyes.runbook.pages.chapters import Cards, ChapterPage
from unioneyes.runbook.pages.constants import numbers
from unioneyes.runbook.pages.contents import DEPLOYMENT
from unioneyes.runbook.pages.markdown import table
from unioneyes.runbook.pages.reading import named_steps, source_of

START, VERIFY, MIGRATE = "deployment.start", "deployment.verify", "database.migrate"
_STEPS = "Production Deployment Steps"
"""The document's heading, as the steps' docstrings name it."""
_ANSWERED = {
    RELEASE_CONTRACT: Checklist.release_contract,
    CURRENT_VERSION: Checklist.current_version,
    STAGING_HEALTH: Checklist.staging_health,
    CHANGE_FREEZE: Checklist.change_freeze,
}
"""Who answers the gates that the environment alone can."""


def lines(cards: Cards) -> Iterator[str]:
    """Yield what stands on the page."""
    yield "### Pre-Deployment Checklist\n"
    yield from _checklist()
    yield f"### {_STEPS}\n"
    yield from cards(START)
    yield "#### 1. **Pre-Deployment (15 minutes before)**\n"
    yield from _done_by(1)
    yield (
        "Members are served meanwhile: maintenance only where it is asked for (`--maintenance`) or where the migration says that it needs it "
        f"([why](../decisions/0010-maintenance-only-when-asked.md)); then they are told 503 with Retry-After {format_duration(MAINTENANCE_RETRY_AFTER)}. "
        "A backup counts when it was restored and compared ([why](../decisions/0011-a-backup-counts-when-it-was-restored.md)).\n"
    )
    yield "#### 2. **Database Migration (if applicable)**\n"
    yield from _done_by(2)
    yield (
        "Tried on the restored copy first, with the previous release running on it "
        "([why](../decisions/0005-a-migration-is-rehearsed-on-the-restored-copy.md)); "
        "the ledger that is read is Drizzle's own ([why](../decisions/0012-drizzles-own-ledger.md)).\n"
    )
    yield "Without a deployment: `ue db migrate plan VERSION` shows what each statement would do to whoever is served, `ue db migrate apply VERSION` does it.\n"
    yield from cards(MIGRATE)
    yield "#### 3. **Deploy Application**\n"
    yield from _done_by(3)
    yield (
        "**Blue-Green Deployment (Recommended)** is how a release goes out where nothing else is said. **Traditional Deployment** is `--strategy rolling`: "
        "replica by replica on the colour that serves, one more than usual meanwhile and not twice as many ([why](../decisions/0039-rolling.md)).\n"
    )
    yield (
        f"A canary (`--canary 10,50`) gives the new release its members share by share, each watched for {format_share(1 / CANARY_PART)} of the whole watch "
        "where nothing else is asked for; `--hold` waits for a person after each.\n"
    )
    yield from _watch()
    yield "#### 4. **Post-Deployment Verification (Critical)**\n"
    yield from _done_by(4)
    yield "It asks:\n"
    yield from (f"- {_whether(check)}" for check in (health_check, smoke_check, version_check, schema_check, log_check))
    yield ""
    yield from cards(VERIFY)
    yield "#### 5. **Enable Monitoring**\n"
    yield (
        "No program yet: error tracking, metrics, log aggregation and alerts are verified by hand. The watch above reads the data plane's own counters, and "
        "needs none of them.\n"
    )


def _checklist() -> Iterator[str]:
    """Yield the gates, in the document's order."""
    own = (*sign_offs(()), migration_reviewed((), ()), rollback_plan(previous=None, previous_ready=0, pending=()))
    yield "**Required Approvals** and **Environment Verification**, as gates. One that fails, or that nobody can answer, blocks; the policy alone waives it.\n"
    asked = (
        "people are asked, as `policy/approvals.yaml` says whom ([why](../decisions/0023-approvals-are-bound-to-a-plan.md)); it blocks where that names nobody"
    )
    computed = {"migration-reviewed": _says(migration_reviewed), "rollback-plan": _says(rollback_plan), **{gate.name: asked for gate in sign_offs(())}}
    rows = [(gate.title, f"`{gate.name}`", computed[gate.name]) for gate in own]
    first, *answered = [(TITLES[name], f"`{name}`", _first_line(asks)) for name, asks in _ANSWERED.items()]
    yield from table(("in the document", "gate", "what it says"), [first, *rows, *answered])
    yield ""


def _watch() -> Iterator[str]:
    """Yield the rules of the verdict, with their limits."""
    yield "##### The watch, and its verdict\n"
    yield (
        "`keep`, `roll back` or `not enough data`, by what both versions did in the same seconds "
        "([why](../decisions/0004-the-verdict-is-a-sequential-test.md)).\n"
    )
    yield from table(
        ("rule", "allowed at most", "convicts when"),
        [(seen.rule, _limit(seen), _surely(seen)) for seen in evidence(verdict.Watch())]
        + [(f"errors of one {' or '.join(SliceKind)}", format_share(verdict.Watch().slices.limit), "the same, by as much more as there are of them")],
    )
    yield ""
    back, wait = NoData.BACK, NoData.HOLD
    yield (
        f"Not enough data is not `keep`: the watch goes on for {format_duration(MORE_DATA_WITHIN)} more, and then it is back to what is known to work "
        f"(`--no-data {back}`), or a person is waited for (`--no-data {wait}`). The longest watch is {format_duration(LONGEST_BAKE)} (`--bake`).\n"
    )
    yield "The numbers behind it:\n"
    yield from table(
        ("number", "value", "what it means"),
        [(f"`{name}`", value, said) for module in (verdict, comparison, sequential) for name, value, said in numbers(module)],
    )
    yield ""


def _limit(seen: RuleSeen) -> str:
    return f"{seen.limit:g}" if seen.counts else format_share(seen.limit)


def _surely(seen: RuleSeen) -> str:
    return "it is passed" if seen.threshold is None else f"the evidence is ten to the {seen.threshold:g}"


def _done_by(number: int) -> Iterator[str]:
    """Yield which steps do what the document asks for there."""
    steps = [each.step for each in named_steps(definition(START)) if not isinstance(each.step, str)]
    done = [(step, source_of(step)) for step in steps if f"{source_of(step)},".startswith(f"{_STEPS}, {number},")]
    yield "Done by:\n"
    yield from (f"- `{step.name}`: {step.does}{_words(source)}" for step, source in done)
    yield ""


def _words(source: str) -> str:
    """Return the document's own words for it, where the source quotes them."""
    quoted = source.partition('"')[2].rpartition('"')[0]
    return f' In the document: "{quoted}".' if quoted else ""


def _first_line(function: Callable[..., object]) -> str:
    return (inspect.getdoc(function) or "").partition("\n")[0]


def _whether(function: Callable[..., object]) -> str:
    return _first_line(function).removeprefix("Return ")


def _says(function: Callable[..., object]) -> str:
    """Return what a gate's docstring says behind its title."""
    return _first_line(function).partition(": ")[2]


PAGE = ChapterPage(chapter=DEPLOYMENT, runbooks=(START, VERIFY, MIGRATE), lines=lines)
