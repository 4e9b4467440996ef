"""`ue deploy`: a release reaches its users."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter
from pydantic import JsonValue, TypeAdapter

from unioneyes.cli.client import Answer, Api
from unioneyes.cli.explaining import explanation_text
from unioneyes.cli.follow import exit_code_of
from unioneyes.cli.launch import LAUNCH, Flag, Launch, launch
from unioneyes.cli.options import HERE, PRINTED, Output, Where
from unioneyes.cli.output import Cell, Ink, result, table
from unioneyes.cli.plans import gates_table
from unioneyes.cli.request import asks_for
from unioneyes.cli.run import told
from unioneyes.cli.spoken import require_address, require_limit
from unioneyes.cli.status import deployments_table, status_text
from unioneyes.cli.watching import watched
from unioneyes.kernel.problems import ExitCode, Refused
from unioneyes.kernel.status import Tone
from unioneyes.kernel.units import format_duration
from unioneyes.operations.deployment.explanation import Explanation
from unioneyes.operations.deployment.model import DeployRequest, Receipt, Verified, VerifyRequest
from unioneyes.operations.deployment.status import DeploymentStatus, DeploymentView
from unioneyes.ports.service import SmokeReport
from unioneyes.runbook.views import Decision, RunView

MOST_DEPLOYMENTS = 200
"""What the API gives in one page."""


@asks_for(DeployRequest, positional="version")
def start(request: DeployRequest, *, how: Launch = LAUNCH, where: Where = HERE, output: Output = PRINTED) -> ExitCode:
    """Deploy a release: checked, backed up, smoke-tested, switched, watched, verified.

    Follows the deployment live; Ctrl-C leaves it alone, and it goes on. Ends with 0 when the release serves, 3 when a gate refused it,
    5 when it failed and everything is as before, 6 when a person is needed.
    """
    return launch("deployment.start", request, how, where, output)


def promote(
    run: str,
    /,
    *,
    to_end: Flag = False,
    reason: Annotated[str, Parameter(help="Why; it stands in the journal.")] = "promoted by hand",
    where: Where = HERE,
    output: Output = PRINTED,
) -> ExitCode:
    """Let a held deployment go on: the new release gets its next share of the requests.

    Args:
        run: The deployment.
        to_end: Go on through the other shares too, each watched, without waiting again.
    """
    api = Api(where)
    decision = Decision.SKIP if to_end else Decision.GO
    return told(api, api.post(f"runs/{run}/decision", {"decision": decision.value, "reason": reason}, RunView), where, output)


def status(*, watch: Flag = False, where: Where = HERE, output: Output = PRINTED) -> ExitCode:
    """Show the current deployment, both colours' traffic and errors, and how long a rollback would take.

    Args:
        watch: Show it anew each second until no deployment is under way; ends with the deployment's own exit code.
    """
    api = Api(where)
    if watch:
        return watched(output, lambda: _status(api), status_text, ends_as=_ends_as)
    shown = _status(api)
    result(output, shown.document, lambda ink: status_text(ink, shown.value))
    return ExitCode.DONE


def explain(run: str, /, *, where: Where = HERE, output: Output = PRINTED) -> ExitCode:
    """Show the numbers behind a deployment's verdict, rule by rule.

    For a deployment under way: as they stand now.

    Args:
        run: The deployment.
    """
    found = Api(where).get(f"deployments/{run}/explanation", Explanation)
    result(output, found.document, lambda ink: explanation_text(ink, found.value))
    return ExitCode.DONE


def list_deployments(*, limit: int = 20, before: str | None = None, where: Where = HERE, output: Output = PRINTED) -> ExitCode:
    """List the deployments, newest first.

    Args:
        limit: How many at most.
        before: Only those before this run: the next page.
    """
    require_limit(limit, most=MOST_DEPLOYMENTS)
    found = Api(where).get("deployments", tuple[DeploymentView, ...], {"limit": limit, "before": before})
    result(output, found.document, lambda ink: deployments_table(ink, found.value))
    return ExitCode.DONE


def verify(run: str | None = None, /, *, how: Launch = LAUNCH, where: Where = HERE, output: Output = PRINTED) -> ExitCode:
    """Verify what serves now, or show how an earlier deployment was verified.

    Args:
        run: The earlier deployment.
    """
    if run is None:
        return launch("deployment.verify", VerifyRequest(), how, where, output)
    verified = _verification(Api(where).run(run).value.result, run)
    document: JsonValue = TypeAdapter(Verified).dump_python(verified, mode="json")
    result(output, document, lambda ink: gates_table(ink, verified.checks))
    return ExitCode.DONE if verified.passed else ExitCode.FAILED


def smoke(url: str, /, *, where: Where = HERE, output: Output = PRINTED) -> ExitCode:
    """Run the service's end-to-end flows against an address.

    Args:
        url: Address of the service, or of its preview, in this environment (http://...): `ue env status` shows both.
    """
    require_address(url)
    tested = Api(where).post("smoke", {"url": url}, SmokeReport)
    result(output, tested.document, lambda ink: _smoke_text(ink, tested.value))
    return ExitCode.DONE if tested.value.passed else ExitCode.FAILED


def _status(api: Api) -> Answer[DeploymentStatus]:
    return api.get("deployments/current", DeploymentStatus)


def _ends_as(shown: DeploymentStatus) -> ExitCode | None:
    """Return how the deployment ended that is shown; None while it is under way."""
    current = shown.current
    if current is None:
        return ExitCode.DONE
    return exit_code_of(current.status) if current.status.ended else None


def _verification(receipt: JsonValue, run_id: str) -> Verified:
    verified = TypeAdapter(Receipt).validate_python(receipt).verified if receipt else None
    if verified is None:
        raise NotVerified(what=f"{run_id} did not come to its verification", remedy=f"ue run show {run_id} says how far it came")
    return verified


def _smoke_text(ink: Ink, report: SmokeReport) -> str:
    rows = [
        (Cell("✔", Tone.GOOD) if check.ok else Cell("✘", Tone.BAD), check.name, format_duration(check.took), check.detail or "passed")
        for check in report.checks
    ]
    passed = sum(check.ok for check in report.checks)
    head = f"{report.version or 'unknown version'} at {report.url}: {passed} of {len(report.checks)} flows passed in {format_duration(report.took)}"
    return f"{ink.bold(head)}\n{table(ink, ('', 'flow', 'took', 'detail'), rows, empty='no flow ran')}"


class NotVerified(Refused):
    """The deployment has no verification to show."""
