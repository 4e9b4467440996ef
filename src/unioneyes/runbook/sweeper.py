"""Keeping runs moving: those of dead workers are taken over, those that were never handed on are, and those that nobody can carry on are ended."""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Event, Thread
from time import monotonic

from unioneyes.kernel.problems import Problem
from unioneyes.runbook.definition import takes_over
from unioneyes.runbook.durable import Durable
from unioneyes.runbook.liveness import Liveness
from unioneyes.runbook.problems import ExecutorGaveUp
from unioneyes.runbook.store.runs import Runs

_EVERY_SECONDS = 0.25
_LAST_SWEEP_SECONDS = 5.0
_STUCK_SECONDS = 2.0
"""How long a run may be this worker's without being under way: taking one up takes a moment."""

_logger = logging.getLogger(__name__)


class Sweeper:
    """A thread that looks four times a second."""

    def __init__(self, *, runs: Runs, durable: Durable, liveness: Liveness, bring_in: Callable[[], bool]) -> None:
        """Sweep nothing yet."""
        self._runs = runs
        self._durable = durable
        self._liveness = liveness
        self._bring_in = bring_in
        self._stopping = Event()
        self._stuck_since: dict[str, float] = {}
        self._checked_at = 0.0
        self._thread = Thread(target=self._sweep_on, name="sweeper", daemon=True)

    def start(self) -> None:
        """Sweep from now on."""
        self._thread.start()

    def stop(self) -> None:
        """No sweep begins any more; one that is under way had a moment to end: it may wait for a database that does not answer."""
        self._stopping.set()
        self._thread.join(_LAST_SWEEP_SECONDS)

    def _sweep_on(self) -> None:
        while not self._stopping.wait(_EVERY_SECONDS):
            try:
                self._sweep()
            except Problem as problem:
                _logger.warning("sweep: %s", problem)
            except Exception:  # the sweeper outlives whatever DBOS raises while PostgreSQL is away
                _logger.exception("sweep failed, and is tried again")

    def _sweep(self) -> None:
        self._bring_in()
        for worker in self._durable.workers():
            if self._liveness.dead(worker):
                _logger.warning("worker %s is dead; its runs are taken over", worker)
                self._durable.take_over(worker)
        if monotonic() - self._checked_at >= _STUCK_SECONDS:
            self._checked_at = monotonic()
            self._revive_stuck()
            self._end_dropped()
        for run_id, runbook in self._runs.not_enqueued():
            self._durable.enqueue(run_id, urgent=takes_over(runbook))
            self._runs.mark_enqueued(run_id)

    def _revive_stuck(self) -> None:
        stuck = self._durable.stuck()
        self._stuck_since = {run: self._stuck_since.get(run, monotonic()) for run in stuck}
        for run, since in self._stuck_since.items():
            if monotonic() - since >= _STUCK_SECONDS:
                _logger.warning("run %s is this worker's and not under way; it is begun again", run)
                self._durable.revive(run)

    def _end_dropped(self) -> None:
        unended = self._runs.unended()
        for run in self._durable.dropped(unended):
            problem = ExecutorGaveUp(
                what=f"{run} was given up: its workers kept failing, or the engine itself failed", remedy=f"ue run logs {run}, and the workers' own logs"
            )
            self._runs.give_up(run, problem.document())
