"""How a run is shown while it goes on: live on a terminal, one plain line per event elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from unioneyes.cli.follow import Screen
from unioneyes.cli.output import say
from unioneyes.kernel.clock import now, rfc3339
from unioneyes.kernel.status import Tone
from unioneyes.kernel.units import format_duration
from unioneyes.runbook.phases import PhaseState, PhaseView, phases
from unioneyes.runbook.views import EntryKind, JournalEntry, PlanView

_RICH = {Tone.GOOD: "green", Tone.BAD: "bold red", Tone.WARN: "yellow", Tone.BUSY: "cyan", Tone.QUIET: "dim"}


@contextmanager
def screen_for(run_id: str, plan: PlanView) -> Iterator[Screen]:
    """Show a run on stderr, in the way that stderr allows."""
    if sys.stderr.isatty():
        with _live(run_id, plan) as screen:
            yield screen
    else:
        yield PlainLines()


class PlainLines:
    """One line per event, for logs."""

    def show(self, entries: Sequence[JournalEntry]) -> None:
        """The log has a line for each entry."""
        for entry in entries:
            say(plain_line(entry))

    def note(self, text: str) -> None:
        """The log has a line for it."""
        say(f"{rfc3339(now())} note {text}")


def plain_line(entry: JournalEntry) -> str:
    """Return one line of a journal, as a log has it."""
    return " ".join(part for part in (rfc3339(entry.at), entry.kind.value, entry.step or "", entry.message.replace("\n", " ")) if part)


@contextmanager
def _live(run_id: str, plan: PlanView) -> Iterator[Screen]:
    from rich.console import Console, Group  # noqa: PLC0415 - only a terminal needs it
    from rich.live import Live  # noqa: PLC0415 - the same
    from rich.text import Text  # noqa: PLC0415 - the same

    class Phases:
        """The plan's steps, each with its state."""

        def __init__(self) -> None:
            self.journal: list[JournalEntry] = []
            self.aside = ""

        def show(self, entries: Sequence[JournalEntry]) -> None:
            self.journal += entries
            self.aside = ""

        def note(self, text: str) -> None:
            self.aside = text

        def __rich__(self) -> Group:
            ended = any(entry.kind is EntryKind.RUN_ENDED and entry.run_id == run_id for entry in self.journal)
            lines = [Text(f"{plan.summary}", style="bold"), *(self._line(phase) for phase in phases(plan.steps, run_id, self.journal, ended=ended))]
            return Group(*lines, *([Text(self.aside, style="yellow")] if self.aside else []))

        def _line(self, phase: PhaseView) -> Text:
            look = phase.state.look
            took = phase.took or self._so_far(phase)
            line = Text(
                f"  {look.icon} {phase.step:<26} {format_duration(took) if took else '':>9}  ", style=_RICH[look.tone], no_wrap=True, overflow="ellipsis"
            )
            return line.append(phase.message or (phase.does if phase.state is PhaseState.RUNNING else ""), style="default")

        def _so_far(self, phase: PhaseView) -> timedelta | None:
            if phase.state is not PhaseState.RUNNING:
                return None
            began = [entry.at for entry in self.journal if entry.step == phase.step and entry.kind is EntryKind.STEP_STARTED]
            return now() - began[-1] if began else None

    shown = Phases()
    with Live(shown, console=Console(stderr=True), refresh_per_second=8):
        yield shown
