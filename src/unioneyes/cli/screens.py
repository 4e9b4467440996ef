"""How a run is shown while it goes on: live on a terminal, one plain line per event elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from unioneyes.cli.follow import Screen
from unioneyes.cli.output import say
from unioneyes.kernel.clock import now, rfc3339
from unioneyes.kernel.status import Tone
from unioneyes.kernel.units import format_duration
from unioneyes.runbook.phases import PhaseState, PhaseView, phases, seconds
from unioneyes.runbook.views import EntryKind, JournalEntry, PlanView

if TYPE_CHECKING:
    from rich.console import Group
    from rich.text import Text

PROGRESS_EVERY = timedelta(seconds=5)
"""A watch speaks twice a second; a log has to be read afterwards."""

_RICH = {Tone.GOOD: "green", Tone.BAD: "bold red", Tone.WARN: "yellow", Tone.BUSY: "cyan", Tone.QUIET: "dim"}


@contextmanager
def screen_for(run_id: str, plan: PlanView) -> Iterator[Screen]:
    """Show a run on stderr, in the way that stderr allows."""
    if not sys.stderr.isatty():
        yield PlainLines()
        return
    from rich.console import Console  # noqa: PLC0415 - only a terminal pays for it
    from rich.live import Live  # noqa: PLC0415 - the same

    shown = LivePhases(run_id, plan)
    with Live(shown, console=Console(stderr=True), refresh_per_second=8):
        yield shown


class PlainLines:
    """One line per event, for logs; of a step's progress a line every few seconds."""

    def __init__(self) -> None:
        """Begin with an empty log."""
        self._progress_from = datetime.min.replace(tzinfo=UTC)

    def show(self, entries: Sequence[JournalEntry]) -> None:
        """The log has a line for each entry that it needs."""
        for entry in entries:
            if entry.kind is EntryKind.STEP_PROGRESS:
                if entry.at < self._progress_from:
                    continue
                self._progress_from = entry.at + PROGRESS_EVERY
            say(plain_line(entry))

    def note(self, text: str) -> None:
        """The log has a line for it."""
        say(f"{rfc3339(now())} note {text}")


class LivePhases:
    """The plan's steps, each with its state, drawn again and again by rich."""

    def __init__(self, run_id: str, plan: PlanView) -> None:
        """Show the steps of `plan`, none of which has begun."""
        self._run_id = run_id
        self._plan = plan
        self._journal: list[JournalEntry] = []
        self._aside = ""

    def show(self, entries: Sequence[JournalEntry]) -> None:
        """The next drawing knows of these lines."""
        self._journal += entries
        self._aside = ""

    def note(self, text: str) -> None:
        """The next drawing has it as its last line."""
        self._aside = text

    def __rich__(self) -> Group:
        from rich.console import Group  # noqa: PLC0415 - only a terminal pays for it
        from rich.text import Text  # noqa: PLC0415 - the same

        ended = any(entry.kind is EntryKind.RUN_ENDED and entry.run_id == self._run_id for entry in self._journal)
        shown = phases(self._plan.steps, self._run_id, self._journal, ended=ended)
        aside = [Text(self._aside, style="yellow")] if self._aside else []
        return Group(Text(self._plan.summary, style="bold"), *(self._line(phase) for phase in shown), *aside)

    def _line(self, phase: PhaseView) -> Text:
        from rich.text import Text  # noqa: PLC0415 - only a terminal pays for it

        look, took = phase.state.look, phase.took or self._so_far(phase)
        told = phase.message or (phase.does if phase.state is PhaseState.RUNNING else "")
        line = Text(no_wrap=True, overflow="ellipsis")
        line.append(f"  {look.icon} {phase.name:<24} {format_duration(took) if took else '':>9}  ", style=_RICH[look.tone])
        return line.append(told)

    def _so_far(self, phase: PhaseView) -> timedelta | None:
        """Return how long a step that is under way has taken."""
        if phase.state is not PhaseState.RUNNING:
            return None
        began = [entry.at for entry in self._journal if entry.step == phase.step and entry.kind is EntryKind.STEP_STARTED]
        return now() - began[-1] if began else None


def plain_line(entry: JournalEntry) -> str:
    """Return one line of a journal, as a log has it."""
    took = seconds(entry.data.get("took_s"))
    match entry.kind:
        case EntryKind.STEP_DONE | EntryKind.UNDO_DONE if took is not None:
            told = format_duration(took)
        case _:
            told = " ".join(entry.message.split())
    return " ".join(part for part in (rfc3339(entry.at), entry.kind.value, entry.step or "", told) if part)
