"""`ue approval`: saying yes or no to what others want to run."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from unioneyes.cli.client import Answer, Api
from unioneyes.cli.options import HERE, PRINTED, Output, Where
from unioneyes.cli.output import Cell, Ink, facts, result, say, table
from unioneyes.kernel.clock import rfc3339
from unioneyes.kernel.problems import ExitCode
from unioneyes.kernel.status import RunStatus, Tone
from unioneyes.runbook.approvals import OVERRIDES_NEEDED, overrides
from unioneyes.runbook.views import ApprovalView, GateAsked, Verdict

Gate = Annotated[str | None, Parameter(help="Which approval; left out where only one is yours to give.")]
Note = Annotated[str, Parameter(help="Why; it stands in the journal and in the audit log.")]


def list_approvals(*, where: Where = HERE, output: Output = PRINTED) -> ExitCode:
    """Show the runs that wait for others to say yes, and whose yes is missing."""
    found = Api(where).get("approvals", tuple[ApprovalView, ...])
    result(output, found.document, lambda ink: _list(ink, found.value))
    return ExitCode.DONE


def show(run: str, /, *, where: Where = HERE, output: Output = PRINTED) -> ExitCode:
    """Show whose yes a run needs or needed, and what each said.

    Args:
        run: The run.
    """
    found = Api(where).get(f"runs/{run}/approvals", ApprovalView)
    result(output, found.document, lambda ink: approval_text(ink, found.value))
    return ExitCode.DONE


def grant(run: str, /, *, note: Note, gate: Gate = None, where: Where = HERE, output: Output = PRINTED) -> ExitCode:
    """Say yes to a run. What you sign is its plan.

    See `ue plan show RUN` first. The run begins when the last yes is there, if what it would do then is still what was approved.

    Args:
        run: The run.
    """
    return _told(_answer(run, Verdict.GRANTED, note=note, gate=gate, where=where), where, output)


def refuse(run: str, /, *, note: Note, gate: Gate = None, where: Where = HERE, output: Output = PRINTED) -> ExitCode:
    """Say no to a run: it ends, and nothing was changed.

    Args:
        run: The run.
    """
    return _told(_answer(run, Verdict.REFUSED, note=note, gate=gate, where=where), where, output)


def override(run: str, /, *, reason: Note, where: Where = HERE, output: Output = PRINTED) -> ExitCode:
    """Say that a run can't wait for those who should be asked. Two people must.

    The incidents channel is told, and the audit log keeps both names. What the policy says is never overridden stays needed.

    Args:
        run: The run.
    """
    return _told(Api(where).post(f"runs/{run}/override", {"reason": reason}, ApprovalView), where, output)


def approval_text(ink: Ink, found: ApprovalView) -> str:
    """Return what a run needs, and what was answered, for people."""
    forced = overrides(found.answers)
    lines = [
        ink.bold(found.run.summary),
        facts(
            ink,
            (
                ("run", found.run.id),
                ("requested by", found.run.requested_by),
                ("plan", found.run.plan_hash),
                ("status", found.run.status.look.word),
                ("until", rfc3339(found.until) if found.run.status is RunStatus.AWAITING_APPROVAL else ""),
                ("override", f"{len(forced)} of {OVERRIDES_NEEDED}" if forced else ""),
            ),
        ),
        "",
        table(
            ink,
            ("approval", "state", "given", "by", "override"),
            [(gate.title, _state(gate), f"{gate.granted} of {gate.needed}", " or ".join(gate.roles), gate.override.value) for gate in found.gates],
            empty="it needs nobody's approval",
        ),
    ]
    if found.answers:
        lines += [
            "",
            table(
                ink,
                ("when", "who", "said", "note"),
                [(rfc3339(each.at), each.by, f"{each.verdict} {each.gate}".strip(), each.note) for each in found.answers],
                empty="",
            ),
        ]
    return "\n".join(lines)


def _answer(run: str, verdict: Verdict, *, note: str, gate: str | None, where: Where) -> Answer[ApprovalView]:
    return Api(where).post(f"runs/{run}/approvals", {"verdict": verdict.value, "note": note, **({"gate": gate} if gate else {})}, ApprovalView)


def _told(answer: Answer[ApprovalView], where: Where, output: Output) -> ExitCode:
    result(output, answer.document, lambda ink: approval_text(ink, answer.value))
    run = answer.value.run
    say(f"next: ue run {'show' if run.status.ended else 'watch'} {run.id}{where.flags}")
    return ExitCode.DONE


def _list(ink: Ink, found: tuple[ApprovalView, ...]) -> str:
    rows = [
        (
            each.run.id,
            each.run.summary,
            each.run.requested_by,
            "; ".join(f"{gate.title} ({' or '.join(gate.roles)})" for gate in each.gates if gate.granted < gate.needed),
            rfc3339(each.until),
        )
        for each in found
    ]
    return table(ink, ("run", "what", "requested by", "missing", "until"), rows, empty="nothing waits for anybody's approval")


def _state(gate: GateAsked) -> Cell:
    return Cell("✔ given", Tone.GOOD) if gate.granted >= gate.needed else Cell("◇ awaited", Tone.WARN)
