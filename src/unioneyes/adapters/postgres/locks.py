"""Waiting for locks without letting anybody else wait: short attempts, pauses between them, and the name of whoever stands in the way."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Final, Self, TypeVar

import psycopg
from psycopg.rows import class_row
from pydantic import SecretStr

from unioneyes.adapters.postgres.connections import connection, sql
from unioneyes.adapters.postgres.fence import enter
from unioneyes.kernel.cancelling import sleep
from unioneyes.kernel.units import format_duration
from unioneyes.ports.database import DatabaseUnavailable, LockNotObtained

T = TypeVar("T")

LOCK_TIMEOUT: Final = timedelta(milliseconds=300)
"""How long one attempt may wait, and so how long it can hold up readers behind it. Measured: 301 ms instead of 3,994 ms behind a 4 s transaction."""
PATIENCE: Final = timedelta(seconds=15)
"""How long attempts are repeated in all."""
TURN: Final = 0x756E696F6E65
"""Advisory lock: one at a time applies migrations to a database."""

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 2.0
_WATCH_SECONDS = 0.05
_WATCH_LIMIT = timedelta(seconds=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A session that stands in the way."""

    pid: int
    application: str
    role: str
    seconds: float | None
    """Age of its transaction; None when we may not know."""

    def __str__(self) -> str:
        """Return it as a person would say it."""
        age = "" if self.seconds is None else f", in a transaction for {format_duration(timedelta(seconds=self.seconds))}"
        return f"process {self.pid} ({self.application or 'no application name'}, role {self.role or 'unknown'}{age})"


class _NotMyTurn(Exception):  # noqa: N818 - it says what happened, and never leaves this module
    pass


def pauses(jitter: Callable[[float, float], float] = random.uniform) -> Iterator[float]:
    """Return the seconds to wait between attempts: doubling, up to a limit, spread so that two who wait do not meet again."""
    pause = _FIRST_PAUSE
    while True:
        yield pause * jitter(0.5, 1.5)
        pause = min(pause * 2, _LONGEST_PAUSE)


def in_one_transaction(session: psycopg.Connection, database_url: SecretStr, work: Callable[[], T], *, patience: timedelta) -> tuple[T, timedelta]:
    """`work` was done in one transaction that nobody else's migration ran beside. Return its result, and how long locks were waited for.

    Each attempt that does not get a lock in time is rolled back, so it leaves no queue of readers and writers behind it.
    Raises: LockNotObtained, naming who holds the lock; FencedOff; whatever `work` raises. Nothing was changed then.
    """
    began = time.monotonic()
    waited = 0.0
    with _Watch(database_url, session.info.backend_pid) as watch:
        for pause in pauses():
            attempt = time.monotonic()
            try:
                with session.transaction():
                    session.execute("SELECT set_config('lock_timeout', %s, true)", (f"{round(LOCK_TIMEOUT.total_seconds() * 1000)}ms",))
                    _take_turn(session, watch)
                    enter(session)
                    return work(), timedelta(seconds=waited)
            except (_NotMyTurn, psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
                waited += time.monotonic() - attempt
            if time.monotonic() - began + pause > patience.total_seconds():
                break
            sleep(pause)
            waited += pause
    raise _not_obtained(watch, patience)


@contextmanager
def turn_held(session: psycopg.Connection, database_url: SecretStr, *, patience: timedelta) -> Iterator[None]:
    """Nobody else's migration runs beside the block, which is in no transaction. Raises: LockNotObtained, naming who is at it."""
    began = time.monotonic()
    with _Watch(database_url, session.info.backend_pid) as watch:
        for pause in pauses():
            if session.execute("SELECT pg_try_advisory_lock(%s)", (TURN,)).fetchone() == (True,):
                break
            with session.cursor(row_factory=class_row(Holder)) as cursor:
                watch.seen(tuple(cursor.execute(sql("turn_holders"), {"key": TURN})))
            if time.monotonic() - began + pause > patience.total_seconds():
                raise _not_obtained(watch, patience)
            sleep(pause)
    yield
    session.execute("SELECT pg_advisory_unlock(%s)", (TURN,))


def alone(session: psycopg.Connection, database_url: SecretStr, statement: bytes, *, patience: timedelta, limit: timedelta) -> None:
    """The statement was executed in no transaction. It may wait for locks as long as `patience`: what runs CONCURRENTLY lets nobody queue behind it.

    Raises: LockNotObtained, naming who holds the lock; what the statement itself raises.
    """
    with _Watch(database_url, session.info.backend_pid) as watch:
        session.execute("SELECT set_config('lock_timeout', %s, false)", (f"{round(patience.total_seconds() * 1000)}ms",))
        session.execute("SELECT set_config('statement_timeout', %s, false)", (f"{round(limit.total_seconds() * 1000)}ms",))
        try:
            session.execute(statement)
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            raise _not_obtained(watch, patience) from None
        finally:
            if not session.closed:
                session.execute("RESET lock_timeout")
                session.execute("RESET statement_timeout")


def _not_obtained(watch: _Watch, patience: timedelta) -> LockNotObtained:
    return LockNotObtained(
        what=f"a lock that the migration needs was not free within {format_duration(patience)}; held by {watch.story}; nothing was changed",
        remedy=f"wait for it to end, or end it ({watch.ending}), and try again",
    )


def _take_turn(session: psycopg.Connection, watch: _Watch) -> None:
    row = session.execute("SELECT pg_try_advisory_xact_lock(%s)", (TURN,)).fetchone()
    if row is not None and row[0]:
        return
    with session.cursor(row_factory=class_row(Holder)) as cursor:
        watch.seen(tuple(cursor.execute(sql("turn_holders"), {"key": TURN})))
    raise _NotMyTurn


class _Watch:
    """Sees, from a connection of its own, who blocks a session; the session itself can't tell while it waits."""

    def __init__(self, database_url: SecretStr, pid: int) -> None:
        self._database_url = database_url
        self._pid = pid
        self._holders: tuple[Holder, ...] = ()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="lock-watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()

    @property
    def story(self) -> str:
        """Who was seen last."""
        return "; ".join(str(holder) for holder in self._holders) or "a session that could not be seen"

    @property
    def ending(self) -> str:
        """What ends them."""
        pids = [holder.pid for holder in self._holders]
        return "; ".join(f"ue db kill {pid}" for pid in pids) or "ue db queries shows who is at work"

    def seen(self, holders: tuple[Holder, ...]) -> None:
        """Remember who stands in the way."""
        if holders:
            self._holders = holders

    def _look(self) -> None:
        try:
            with (
                connection(self._database_url, name="ue-migrate-watch", statement_limit=_WATCH_LIMIT) as observer,
                observer.cursor(row_factory=class_row(Holder)) as cursor,
            ):
                while not self._over.wait(_WATCH_SECONDS):
                    self.seen(tuple(cursor.execute(sql("lock_holders"), {"pid": self._pid})))
        except (DatabaseUnavailable, psycopg.Error):
            return  # nobody is named then; the migration itself goes on
