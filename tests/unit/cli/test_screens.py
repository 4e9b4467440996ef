"""A run as a log has it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import JsonValue

from unioneyes.cli.screens import PROGRESS_EVERY, LivePhases, PlainLines, plain_line
from unioneyes.runbook.plan import Effect, PlannedStep
from unioneyes.runbook.views import EntryKind, JournalEntry, PlanView

AT = datetime(2026, 2, 9, 14, 30, tzinfo=UTC)
PLAN = PlanView(
    runbook="deployment.start",
    summary="deploy 1.1.0 to green",
    hash="",
    steps=(
        PlannedStep(step="smoke_test", does="It works.", effect=Effect.READ),
        PlannedStep(step="watch_release", does="There is a verdict.", effect=Effect.READ),
    ),
    readings=(),
)


def entry(kind: EntryKind, message: str, *, step: str | None = "watch_release", after: timedelta = timedelta(0), took_s: float | None = None) -> JournalEntry:
    data: dict[str, JsonValue] = {} if took_s is None else {"took_s": took_s}
    return JournalEntry(seq=1, run_id="r", at=AT + after, kind=kind, step=step, message=message, data=data)


def test_a_line_has_its_time_its_kind_its_step_and_its_text() -> None:
    line = plain_line(entry(EntryKind.STEP_FAILED, "two\nlines", step="smoke_test"))
    assert line == "2026-02-09T14:30:00.000Z step-failed smoke_test two lines"


def test_a_step_that_is_done_says_how_long_it_took() -> None:
    assert plain_line(entry(EntryKind.STEP_DONE, "It works.", took_s=0.25)).endswith("step-done watch_release 250 ms")


def test_a_watch_that_speaks_twice_a_second_does_not_flood_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    half_seconds = [timedelta(seconds=tick / 2) for tick in range(40)]
    PlainLines().show([entry(EntryKind.STEP_PROGRESS, f"after {after}", after=after) for after in half_seconds])
    assert len(capsys.readouterr().err.splitlines()) == timedelta(seconds=20) // PROGRESS_EVERY


def test_a_terminal_shows_every_planned_step_with_its_state() -> None:
    from rich.console import Console  # noqa: PLC0415 - as the command line does

    screen = LivePhases("r", PLAN)
    screen.show([entry(EntryKind.STEP_STARTED, "", step="smoke_test"), entry(EntryKind.STEP_DONE, "", step="smoke_test", took_s=0.25)])
    screen.note("the server does not answer")
    console = Console(width=100, color_system=None)
    with console.capture() as captured:
        console.print(screen)
    lines = [" ".join(line.split()) for line in captured.get().splitlines()]
    assert lines == ["deploy 1.1.0 to green", "✔ smoke_test 250 ms", "○ watch_release", "the server does not answer"]
