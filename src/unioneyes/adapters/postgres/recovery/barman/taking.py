"""One base backup that Barman is asked for: made once, whoever asks again; what an attempt left half-done is gone with the next."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from unioneyes.adapters.postgres.recovery.barman.documents import DONE, WAITING, Listed
from unioneyes.adapters.postgres.recovery.barman.program import Barman, BarmanRefused
from unioneyes.kernel.cancelling import look_at_run, sleep
from unioneyes.kernel.clock import Deadline
from unioneyes.kernel.units import format_duration
from unioneyes.ports.recovery import BaseFailed

_MADE_WITHIN = timedelta(hours=4)
_DONE_WITHIN = timedelta(minutes=10)
_BUSY = "Another backup process is running"
_UNREADY = "Impossible to start the backup"
"""What it says when a check of its own fails just then: as the first one does, where no segment of the log has come within ten seconds."""
_UNREADY_AGAIN = 2
"""So often it is asked once more."""
_BUSY_SECONDS = 2.0
_HALF = frozenset({"EMPTY", "STARTED", "FAILED"})
"""What Barman calls a base backup that came to nothing, or of whose making nothing is known any more."""


class _Unready(BaseFailed):
    """A check of Barman's own fails, perhaps for a moment alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taking:
    """The base backup of that name."""

    barman: Barman
    name: str
    log_within: timedelta
    """How long its log may take to be archived."""

    def made(self) -> bool:
        """Return whether it was made, with all of its log. Raises: BaseFailed, where that is still waited for; CatalogueUnavailable."""
        if self._status() not in {DONE, WAITING}:
            return False
        self._require_log()
        return True

    def take(self, words: tuple[str, ...]) -> None:
        """Barman has made it, with all of its log. While another one is being made, that is waited for. Raises: BaseFailed, CatalogueUnavailable."""
        deadline, unready = Deadline.after(_MADE_WITHIN), 0
        while True:
            try:
                if self._asked(words):
                    break
            except _Unready as problem:
                unready += 1
                if unready > _UNREADY_AGAIN:
                    failing = "; ".join(self.barman.checks().complaints)
                    raise BaseFailed(what=f"{problem.what}{f'; {failing}' if failing else ''}", remedy=problem.remedy) from None
            if deadline.passed:
                raise BaseFailed(what=f"Barman makes another base backup for {format_duration(_MADE_WITHIN)} by now", remedy=self._list())
            sleep(_BUSY_SECONDS)
            if self.made():  # that one was it: of an attempt that nobody waited for
                return
        self._require_log()

    def _asked(self, words: tuple[str, ...]) -> bool:
        """Return whether Barman made one; it does not, where it is at another. Raises: BaseFailed."""
        asked = (
            "--name",
            self.name,
            "--wait",
            "--wait-timeout",
            str(int(self.log_within.total_seconds())),
            "--immediate-checkpoint",
            *words,
            self.barman.server,
        )
        try:
            self._remove_half()
            if self._status() in {DONE, WAITING}:  # by now: what was being made was not to be removed
                return True
            self.barman.do("backup", *asked, within=_MADE_WITHIN)
        except BarmanRefused as refused:
            if _BUSY in refused.what:
                return False
            if self._status() != WAITING:  # else it only waited too long
                self._remove_half()
                raise (_Unready if _UNREADY in refused.what else BaseFailed)(what=refused.what, remedy=refused.remedy) from None
        except BaseException:
            unseen = look_at_run.set(None)  # the run must stop: what it began in Barman's catalogue is taken away all the same
            try:
                self._remove_half()
            finally:
                look_at_run.reset(unseen)
            raise
        return True

    def _require_log(self) -> None:
        """Raises: BaseFailed, where Barman has not all of it."""
        status = self._status()
        if status == WAITING:
            with suppress(BarmanRefused):  # then it waits on
                self.barman.do("check-backup", self.barman.server, self._attempts()[0].backup_id, within=_DONE_WITHIN)
            status = self._status()
        if status == WAITING:
            raise BaseFailed(
                what=f"Barman made {self.name}, and still waits for its log to be archived",
                remedy=f"{self.barman.spoken('check', self.barman.server)} says why; then the same command again",
            )
        if status != DONE:
            raise BaseFailed(what=f"Barman calls {self.name} {status or 'nothing'}", remedy=self._list())

    def _remove_half(self) -> None:
        """What attempts at it left half-done is gone from the catalogue; one that is being made is not deleted."""
        for each in self._attempts():
            if each.status in _HALF:
                with suppress(BarmanRefused):
                    self.barman.do("delete", self.barman.server, each.backup_id, within=_DONE_WITHIN)

    def _status(self) -> str | None:
        states = [each.status for each in self._attempts()]
        return next((state for state in (DONE, WAITING) if state in states), next(iter(states), None))

    def _attempts(self) -> list[Listed]:
        return [each for each in self.barman.backups() if each.backup_name == self.name]

    def _list(self) -> str:
        return self.barman.spoken("list-backups", self.barman.server)
