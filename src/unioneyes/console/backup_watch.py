"""Makes a backup once a day, whichever server thinks of it first, and tells people of one that was missed or failed, and of a log that nobody keeps."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from threading import Event, Thread

from pydantic import JsonValue

from unioneyes.kernel.clock import now, rfc3339
from unioneyes.kernel.problems import Problem
from unioneyes.kernel.units import format_duration
from unioneyes.operations.database.backups.schedule import LATE, DailyView, Day, DayState, look_back, prune_of
from unioneyes.ports.environment import Environment
from unioneyes.ports.notifier import Announcement
from unioneyes.runbook.audit.entry import ENGINE
from unioneyes.runbook.engine import Engine
from unioneyes.runbook.telling import TELL_AGAIN, Teller
from unioneyes.runbook.views import RunView

EVERY = timedelta(seconds=20)
LASTS = timedelta(minutes=1)
"""After which a log that nobody receives is told: who receives it comes back by itself from what is shorter."""
_RUNS = 100
"""Of backups, among which the daily ones of a week are looked for."""
_STOPS_WITHIN = 0.5

_logger = logging.getLogger(__name__)


class BackupWatch:
    """Looks in a thread of its own from `start` to `stop`.

    The run of a day's backup has a name that follows from the day, and the engine begins no second one: so several servers make it once. After an
    outage the last one is made up for; those before it were missed, and people are told. So they are where the database's log should be kept for a
    recovery, and is not.
    """

    def __init__(self, engine: Engine, environment: Environment, *, every: timedelta = EVERY, tell_again: timedelta = TELL_AGAIN) -> None:
        """Look once `every` so often."""
        self._engine = engine
        self._environment = environment
        self._every = every
        self._since = now()
        self._told: set[str] = set()
        self._pruned: set[str] = set()
        self._faults: dict[str, datetime] = {}
        self._teller = Teller(environment.notifier, again=tell_again)
        self._stop = Event()
        self._thread = Thread(target=self._look_on, name="backup-watch", daemon=True)

    def start(self) -> None:
        """Look at once, and again and again."""
        self._thread.start()

    def stop(self) -> None:
        """Nothing is begun any more; an announcement under way is not waited for."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(_STOPS_WITHIN)

    def view(self, at: datetime) -> DailyView | None:
        """Return how the daily backups stand; None where none is made by itself. Raises: ControlDatabaseUnavailable."""
        daily = self._environment.facts.backup_daily
        return None if daily is None else look_back(at, daily, self._engine.runs(runbook="backup.create", limit=_RUNS), since=self._since)

    def look(self, at: datetime) -> None:
        """What is due is begun, and what is wrong is told."""
        view = self.view(at)
        for day in view.days if view else ():
            match day.state:
                case DayState.DUE:
                    self._begin(day, at)
                case DayState.FAILED:
                    self._tell_failed(day, self._engine.run(day.run))
                case DayState.MISSED:
                    self._tell(f"{day.run}-missed", "DAILY BACKUP MISSED", (("Due", rfc3339(day.due)), ("Because", "no server was there to begin it")))
                case _:
                    pass
        if view and view.days and view.days[0].state in {DayState.DONE, DayState.FAILED}:
            self._prune(view.days[0])

    def look_at_log(self, at: datetime) -> None:
        """What keeps the database's log from leading on is told, once a day while it lasts; a hole in it once."""
        found = self._environment.recovery.faults()
        self._faults = {fault.key: self._faults.get(fault.key, at) for fault in found}
        for fault in found:
            if fault.stays or at - self._faults[fault.key] >= LASTS:
                key = f"log-{fault.key}" if fault.stays else f"log-{fault.key}-{at:%Y%m%d}"
                self._tell(key, "RECOVERY AT RISK", (("Because", fault.what), ("Do", fault.remedy)), look="ue backup wal")

    def _look_on(self) -> None:
        while True:
            for look in (self.look, self.look_at_log):
                try:
                    look(now())
                except Problem as problem:
                    _logger.warning("the backups are looked at again: %s", problem)
                except Exception:  # whatever it is, the next look may go well
                    _logger.exception("a look at the backups failed, and is tried again")
            if self._stop.wait(self._every.total_seconds()):
                break

    def _begin(self, day: Day, at: datetime) -> None:
        late = at - day.due
        reason = "the daily backup" if late < LATE else f"the daily backup of {rfc3339(day.due)}, made up for"
        try:
            self._engine.start("backup.create", {"reason": reason}, by=ENGINE, run_id=day.run)
        except Problem as problem:
            _logger.warning("the daily backup could not be begun, and is tried again: %s", problem)
            if late >= LATE:
                because = (("Due", rfc3339(day.due)), ("Because", problem.what), ("Do", problem.remedy))
                self._tell(f"{day.run}-missed", "DAILY BACKUP MISSED", because)
            return
        if late >= LATE:
            made_up = (("Due", rfc3339(day.due)), ("Begun", f"{format_duration(late)} later, as {day.run}"), ("Look", f"ue run show {day.run}"))
            self._tell(f"{day.run}-missed", "DAILY BACKUP LATE", made_up)

    def _prune(self, day: Day) -> None:
        """What need not be kept any more is removed, once, behind the newest day's backup; also where that failed, perhaps for want of room."""
        if day.run not in self._pruned:
            asked: JsonValue = {"reason": f"after {day.run}"}
            self._engine.start("backup.prune", asked, by=ENGINE, run_id=prune_of(day.due))
            self._pruned.add(day.run)

    def _tell_failed(self, day: Day, run: RunView) -> None:
        because = run.problem["detail"] if run.problem else f"it ended as {run.status}"
        facts = (("Due", rfc3339(day.due)), ("Run", run.id), ("Because", because), ("Do", "ue backup create makes one now"))
        self._tell(f"{day.run}-failed", "DAILY BACKUP FAILED", facts)

    def _tell(self, key: str, title: str, facts: tuple[tuple[str, str], ...], *, look: str = "ue backup schedule") -> None:
        """The channel shows it, once, whoever finds out."""
        where = self._environment.facts
        if key not in self._told and self._teller.tell(
            Announcement(channel=where.incidents_channel, title=f"{title}: {where.name}", facts=(*facts, ("Look", look)), key=key)
        ):
            self._told.add(key)
