"""Tells people when the audit log is late or in trouble, and when it is well again: in the incidents channel, once each, whichever server finds out."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event, Thread

from pydantic import TypeAdapter, ValidationError

from unioneyes.kernel.clock import Deadline, now, rfc3339
from unioneyes.kernel.files import replace_file
from unioneyes.kernel.ids import new_id
from unioneyes.kernel.problems import Problem
from unioneyes.kernel.redaction import Redactor
from unioneyes.kernel.units import format_duration
from unioneyes.ports.environment import Environment
from unioneyes.ports.notifier import Announcement
from unioneyes.runbook.audit.views import LONGEST_LAG, AuditStatus
from unioneyes.runbook.telling import TELL_AGAIN, Teller

EVERY = timedelta(seconds=5)
_STOPS_WITHIN = 0.5

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """An alarm that was raised, and not called off yet."""

    key: str
    """Begins the idempotency keys of both announcements."""
    since: datetime
    """From when on something was wrong."""
    wrong: str
    """What was found first."""
    told: bool = False
    """True when the channel shows it."""


_RAISED = TypeAdapter(Raised)


def wrong_with(status: AuditStatus) -> str | None:
    """Return what keeps entries from being sealed and witnessed, in words; None while all is well."""
    if status.trouble is not None:
        return status.trouble
    return f"an entry waits for its checkpoint for {format_duration(timedelta(seconds=status.lag_seconds))}" if status.late else None


class Alarm:
    """Looks in a thread of its own from `start` to `stop`.

    Whoever finds something wrong holds the alarm's lock until that is over, and speaks for all; who finds all well calls an alarm off that nobody
    holds: one of a server that has ended. So several servers tell it once, and one that fares well does not deny what another one sees.
    """

    def __init__(
        self,
        status: Callable[[], AuditStatus],
        environment: Environment,
        file: Path,
        *,
        redact: Redactor,
        patience: timedelta = LONGEST_LAG,
        every: timedelta = EVERY,
        tell_again: timedelta = TELL_AGAIN,
    ) -> None:
        """Ask for `status` once `every` so often, and remember in `file` what was told.

        A lag is told at once, for it has lasted already; other trouble when it lasts longer than `patience`: PostgreSQL may be restarting.
        """
        self._status = status
        self._environment = environment
        self._file = file
        self._redact = redact
        self._patience = patience
        self._every = every
        self._patient: Deadline | None = None
        self._lock: int | None = None
        self._raised: Raised | None = None
        self._teller = Teller(environment.notifier, again=tell_again)
        self._stop = Event()
        self._thread = Thread(target=self._look_on, name="alarm", daemon=True)

    def start(self) -> None:
        """Look at once, and again and again."""
        self._thread.start()

    def stop(self) -> None:
        """Nothing is looked at any more; an announcement under way is not waited for. An alarm that stands is left to whoever looks next."""
        self._stop.set()
        self._thread.join(_STOPS_WITHIN)

    def _look_on(self) -> None:
        while True:
            try:
                self._look()
            except Exception:  # whatever it is, the next look may go well
                _logger.exception("a look at the audit log's state failed, and is tried again")
            if self._stop.wait(self._every.total_seconds()):
                break
        self._release()

    def _look(self) -> None:
        status: AuditStatus | None = None
        wrong: str | None
        try:
            status = self._status()
            wrong = wrong_with(status)
        except Problem as problem:  # where the log is can't be seen
            wrong = str(problem)
        if wrong is None:
            self._patient = None
            self._call_off(status)
            return
        self._patient = self._patient or Deadline.after(self._patience)
        late = status is not None and status.late
        if late or self._patient.passed or self._raised is not None:
            self._raise(wrong, now() - (timedelta(seconds=status.lag_seconds) if status is not None and late else self._patience))

    def _raise(self, wrong: str, since: datetime) -> None:
        """The alarm stands, and the channel shows it, unless the chat is away, or another server speaks."""
        if not self._hold():
            return
        if self._raised is None:
            self._raised = self._kept() or Raised(key=new_id("audit"), since=since, wrong=self._redact(wrong))
            self._keep(self._raised)
        self._tell_raised(self._raised)

    def _call_off(self, status: AuditStatus | None) -> None:
        """No alarm stands, and the channel says that it is over, unless the chat is away, or another server still finds something wrong."""
        if (self._raised is None and not self._file.exists()) or not self._hold():
            return
        raised = self._raised = self._raised or self._kept()
        if raised is not None and not (self._tell_raised(raised) and self._teller.tell(self._over(raised, status))):
            return  # it is tried again, by whoever looks then
        self._raised = None
        self._file.unlink(missing_ok=True)
        self._release()

    def _tell_raised(self, raised: Raised) -> bool:
        """Return whether the channel shows it."""
        if not raised.told and self._teller.tell(self._alarm(raised)):
            raised = self._raised = replace(raised, told=True)
            self._keep(raised)
        return raised.told

    def _alarm(self, raised: Raised) -> Announcement:
        return Announcement(
            channel=self._environment.facts.incidents_channel,
            title=f"AUDIT LOG IN TROUBLE: {self._environment.facts.name}",
            facts=(
                ("Wrong", raised.wrong),
                ("Since", rfc3339(raised.since)),
                ("Means", "what is done now is recorded, and not protected from change as it should be"),
                ("Look", "ue env status; ue audit verify"),
            ),
            key=f"{raised.key}-raised",
        )

    def _over(self, raised: Raised, status: AuditStatus | None) -> Announcement:
        covered = [("Covered", f"{status.covered} entries"), ("Last checkpoint", rfc3339(status.checkpoint_at))] if status and status.checkpoint_at else []
        return Announcement(
            channel=self._environment.facts.incidents_channel,
            title=f"AUDIT LOG WELL AGAIN: {self._environment.facts.name}",
            facts=(("Was", raised.wrong), ("Since", rfc3339(raised.since)), *covered, ("Look", "ue audit verify says whether anything was changed meanwhile")),
            key=f"{raised.key}-over",
        )

    def _hold(self) -> bool:
        """Return whether this server speaks. Where nothing can be written, it does: that may be what is wrong."""
        if self._lock is not None:
            return True
        try:
            lock = os.open(self._file.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            _logger.warning("who speaks of the audit log can't be agreed on: %s", error)
            return True
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return False
        self._lock = lock
        return True

    def _release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _kept(self) -> Raised | None:
        """Return the alarm that another server left; None where there is none, or none that can be read."""
        try:
            return _RAISED.validate_json(self._file.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            _logger.warning("%s can't be read, so nobody is told that what it tells of is over: %s", self._file, type(error).__name__)
            return None

    def _keep(self, raised: Raised) -> None:
        """Whoever looks next knows of it, where it can be written down."""
        try:
            replace_file(self._file, _RAISED.dump_json(raised).decode())
        except OSError as error:
            _logger.warning("%s can't be written: %s", self._file, error)
