"""`ue edge`: how much each client's address may ask, and who is kept out, under attack and afterwards."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from unioneyes.cli.client import Api
from unioneyes.cli.edgetexts import edge_text
from unioneyes.cli.launch import LAUNCH, Launch, launch
from unioneyes.cli.options import HERE, PRINTED, Output, Where
from unioneyes.cli.output import result
from unioneyes.cli.request import asks_for
from unioneyes.kernel.problems import ExitCode
from unioneyes.operations.security.model import DenyRequest, LimitRequest
from unioneyes.ports.edge import EdgeView

Reason = Annotated[str | None, Parameter(help="Why, for the journal and the audit log.")]


def status(*, where: Where = HERE, output: Output = PRINTED) -> ExitCode:
    """Show how much each client's address may ask, and who is kept out.

    Ends with 1 when something else is filed than what the data plane does.
    """
    found = Api(where).get("edge", EdgeView)
    result(output, found.document, lambda ink: edge_text(ink, found.value))
    return ExitCode.DONE if found.value.in_force else ExitCode.FAILED


@asks_for(LimitRequest, positional="limit")
def limit(request: LimitRequest, *, how: Launch = LAUNCH, where: Where = HERE, output: Output = PRINTED) -> ExitCode:
    """Let each client's address make so many requests, and answer 429 to more.

    `none` takes the limit back. No member's connection ends for it, and a stopped line does not hold it.
    """
    return launch("edge.limit", request, how, where, output)


def deny(
    *networks: Annotated[str, Parameter(help="An address or a network: 198.51.100.7, 198.51.100.0/24, 2001:db8::/48.")],
    reason: Reason = None,
    how: Launch = LAUNCH,
    where: Where = HERE,
    output: Output = PRINTED,
) -> ExitCode:
    """Keep addresses out of the service: their requests are answered with 403.

    Those that are kept out already stay so. Our own networks are refused. A stopped line does not hold it.
    """
    return launch("edge.deny", DenyRequest(deny=networks, reason=reason), how, where, output)


def allow(
    *networks: Annotated[str, Parameter(help="An address or a network: 198.51.100.7, or 0.0.0.0/0 for all of them.")],
    reason: Reason = None,
    how: Launch = LAUNCH,
    where: Where = HERE,
    output: Output = PRINTED,
) -> ExitCode:
    """Let addresses in again that were kept out.

    Of a network that is kept out, a part may be let in: the rest stays out.
    """
    return launch("edge.deny", DenyRequest(allow=networks, reason=reason), how, where, output)
