"""Follows a run until it ends or needs a person; survives a server that goes away for a while."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Protocol, TypeVar

from unioneyes.cli.client import Answer, Api, ServerUnavailable
from unioneyes.cli.options import Where
from unioneyes.cli.output import say
from unioneyes.kernel.problems import ExitCode, Problem
from unioneyes.kernel.status import RunStatus
from unioneyes.kernel.units import format_duration
from unioneyes.runbook.views import ApprovalView, EntryKind, JournalEntry, RunView

T = TypeVar("T")

ASK_FOR = timedelta(seconds=10)
"""How long one request waits for news."""
GIVE_UP_AFTER = timedelta(seconds=30)
"""How long a server may be away."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 4.0

_CODES = {
    RunStatus.DONE: ExitCode.DONE,
    RunStatus.FAILED: ExitCode.FAILED,
    RunStatus.CANCELLED: ExitCode.FAILED,
    RunStatus.SUPERSEDED: ExitCode.FAILED,
    RunStatus.REFUSED: ExitCode.REFUSED,
    RunStatus.UNDONE: ExitCode.UNDONE,
    RunStatus.UNDO_FAILED: ExitCode.UNDO_FAILED,
    RunStatus.AWAITING_APPROVAL: ExitCode.PENDING,
    RunStatus.PENDING: ExitCode.PENDING,
    RunStatus.RUNNING: ExitCode.PENDING,
    RunStatus.PARKED: ExitCode.PENDING,
    RunStatus.HELD: ExitCode.PENDING,
    RunStatus.UNDOING: ExitCode.PENDING,
}


_WAITS = {RunStatus.AWAITING_APPROVAL, RunStatus.PARKED, RunStatus.HELD}
"""For a person, who may be long."""


class Screen(Protocol):
    """Where a run is shown while it goes on."""

    def show(self, entries: Sequence[JournalEntry]) -> None:
        """The person sees these lines of the journal."""

    def note(self, text: str) -> None:
        """The person sees something that is not in the journal."""


def exit_code(run: RunView) -> ExitCode:
    """Return what the shell is told of the run."""
    return exit_code_of(run.status)


def exit_code_of(status: RunStatus) -> ExitCode:
    """Return what the shell is told of a run that stands so."""
    return _CODES[status]


def follow(api: Api, run_id: str, screen: Screen) -> Answer[RunView]:
    """Return the run when it has ended, or waits for a person. Raises: ServerUnavailable when the server stays away."""
    after = 0
    while True:
        entries, run = patiently(partial(_news, api, run_id, after), screen.note, run_id)
        screen.show(entries)
        after = entries[-1].seq if entries else after
        if run and (run.value.status.ended or run.value.status in _WAITS) and not _is_approved(api, run.value):
            return run


def patiently(ask: Callable[[], T], note: Callable[[str], None], run_id: str) -> T:
    """Return what `ask` returns, also where the server is away for a moment: a worker that was killed is replaced within seconds.

    Raises: ServerUnavailable when it stays away.
    """
    away_since, pause = 0.0, _FIRST_PAUSE
    while True:
        try:
            answer = ask()
        except Problem as problem:
            if not problem.document()["retryable"]:
                raise
            away_since = away_since or time.monotonic()
            if time.monotonic() - away_since > GIVE_UP_AFTER.total_seconds():
                raise ServerUnavailable(what=f"{problem.what}; {run_id} may still be running", remedy=f"{problem.remedy}; ue run watch {run_id}") from None
            note(f"{problem.what}; trying again in {format_duration(timedelta(seconds=pause))}")
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        else:
            if away_since:
                note("the server answers again")
            return answer


def _is_approved(api: Api, run: RunView) -> bool:
    """Return whether the run only stands as awaiting approval: everybody said yes, or two that it can't wait; it begins by itself."""
    if run.status is not RunStatus.AWAITING_APPROVAL:
        return False
    return api.get(f"runs/{run.id}/approvals", ApprovalView).value.approved


def _news(api: Api, run_id: str, after: int) -> tuple[Sequence[JournalEntry], Answer[RunView] | None]:
    """Return new lines of the journal, and the run where it may have ended."""
    entries = api.journal(run_id, after=after, wait=ASK_FOR).value
    return entries, None if entries and not _may_be_over(entries, run_id) else api.run(run_id)


def _may_be_over(entries: Sequence[JournalEntry], run_id: str) -> bool:
    """Return whether the journal says that the run ended, or waits for a person."""
    return any(
        entry.kind in {EntryKind.AWAITED, EntryKind.RUN_ENDED, EntryKind.PARKED, EntryKind.HELD, EntryKind.LINE_HELD}
        for entry in entries
        if entry.run_id == run_id
    )


def detached(run_id: str, where: Where) -> ExitCode:
    """Say that the run goes on without the terminal, and how to come back."""
    say(f"\ndetached: {run_id} goes on. Watch it: ue run watch {run_id}{where.flags}")
    return ExitCode.DETACHED
