"""Who is alive: each worker holds a session's advisory lock under its own name, and says something in that session once a second.

PostgreSQL takes the lock away the moment the worker dies. A worker that hangs keeps it, but says nothing more; PostgreSQL knows since when, so nobody writes
a sign of life anywhere. After `LEASE` the others end its session: it is dead then, whatever it does when it wakes up.
"""

from __future__ import annotations

import hashlib
import logging
from contextlib import suppress
from datetime import timedelta
from importlib.resources import files
from threading import Event, RLock, Thread

import psycopg

from unioneyes.kernel.problems import Problem
from unioneyes.runbook.problems import ControlDatabaseUnavailable
from unioneyes.runbook.store.database import ControlDatabase

LEASE = timedelta(seconds=10)
"""How long a worker may say nothing."""
_BEAT_SECONDS = 1.0
_LAST_BEAT_SECONDS = 5.0
"""How long who ends waits for a sign of life that is under way."""
GRACE = timedelta(seconds=5)
"""After a restart of PostgreSQL, or a crash of one of its processes, nobody holds a lock. For this long, nobody is taken for dead."""
_YOUNG = "SELECT clock_timestamp() - greatest(pg_postmaster_start_time(), stats_reset) < %s FROM pg_stat_wal"
"""Whether PostgreSQL itself is. A crash of one of its processes ends all sessions and leaves its start as it was; the statistics begin anew with it."""
_END_SILENT = files(__package__).joinpath("end_silent.sql").read_text().encode()

_logger = logging.getLogger(__name__)


class Liveness:
    """This worker's sign of life, and its eye on the others. For any thread."""

    def __init__(self, database: ControlDatabase, *, worker: str) -> None:
        """Hold nothing yet."""
        self._database = database
        self._worker = worker
        self._session: psycopg.Connection[tuple[object, ...]] | None = None
        self._one = RLock()
        self._stopping = Event()
        self._heart = Thread(target=self._beat_on, name="heart", daemon=True)  # a thread of its own: a sweep may have to wait for a slow database

    def start(self) -> None:
        """This worker is alive from now on, until it ends or hangs. Raises: ControlDatabaseUnavailable."""
        self._show()
        self._heart.start()

    def end(self) -> None:
        """This worker shows no life any more. Safe to repeat."""
        self._stopping.set()
        if self._heart.is_alive():
            self._heart.join(_LAST_BEAT_SECONDS)
        if not self._heart.is_alive():  # else the database does not answer, and PostgreSQL finds out by itself
            self._let_go()

    def dead(self, worker: str) -> bool:
        """Return True when `worker` has ended, or hung for so long that its session was ended. Raises: ControlDatabaseUnavailable."""
        with self._one:
            return worker != self._worker and self._session is not None and self._is_dead(self._session, worker)

    def _is_dead(self, session: psycopg.Connection[tuple[object, ...]], worker: str) -> bool:
        try:
            if not self._locked(session, worker):
                self._end_silent(session, worker)
                return False
            session.execute("SELECT pg_advisory_unlock(%s)", (_key(worker),))
            young = session.execute(_YOUNG, (GRACE,)).fetchone()
        except psycopg.Error as error:
            raise _lost(self._worker, error) from None
        return young is not None and not young[0]

    def _beat_on(self) -> None:
        while not self._stopping.wait(_BEAT_SECONDS):
            try:
                self._show()
            except Problem as problem:
                _logger.warning("sign of life: %s", problem)
            except Exception:  # a heart that stops is not begun again
                _logger.exception("the sign of life failed, and is tried again")

    def _show(self) -> None:
        """This worker's lock is held, anew where PostgreSQL had let it go. Raises: ControlDatabaseUnavailable."""
        with self._one:
            try:
                if self._session is not None:
                    self._session.execute("SELECT 1")
                    return
            except psycopg.Error:
                self._let_go()
            self._session = self._database.session()
            try:
                held = self._locked(self._session, self._worker)
            except psycopg.Error as error:
                self._let_go()
                raise _lost(self._worker, error) from None
            if not held:
                self._let_go()
                raise ControlDatabaseUnavailable(
                    what=f"PostgreSQL still holds the lock of {self._worker}'s lost session", remedy="nothing to do; it is tried again at once"
                )

    def _let_go(self) -> None:
        with self._one:
            if self._session is not None:
                with suppress(psycopg.Error):
                    self._session.close()
            self._session = None

    def _locked(self, session: psycopg.Connection[tuple[object, ...]], worker: str) -> bool:
        row = session.execute("SELECT pg_try_advisory_lock(%s)", (_key(worker),)).fetchone()
        return row is not None and row[0] is True

    def _end_silent(self, session: psycopg.Connection[tuple[object, ...]], worker: str) -> None:
        """The session of a worker that has said nothing for longer than it may is told to end: the next look finds its lock free."""
        if session.execute(_END_SILENT, {"key": _key(worker), "lease": LEASE}).fetchone() is not None:
            _logger.warning("worker %s has said nothing for %s; its session is ended", worker, LEASE)


def _lost(worker: str, error: psycopg.Error) -> ControlDatabaseUnavailable:
    return ControlDatabaseUnavailable(what=f"the session of {worker} was lost: {error}", remedy="nothing to do; it is made anew")


def _key(worker: str) -> int:
    return int.from_bytes(hashlib.sha256(f"unioneyes worker {worker}".encode()).digest()[:8], signed=True)
