"""Sessions that somebody forgot, for the runs that end them."""

from __future__ import annotations

import time
from contextlib import suppress
from threading import Thread

import psycopg

from tests.drills.main_job.main_job import MainJob
from tests.drills.rollback.ways_back import admin
from tests.stack import eventually

FORGOTTEN = "forgotten report"
"""What they call themselves."""
IDLE_SECONDS = 1.2
_STATES = "select state from pg_stat_activity where application_name = %s order by state"


def before_ending(job: MainJob) -> None:
    """1.1.0 serves, and one session has been idle for more than a second."""
    job.ensure_serving("1.1.0")
    _opened(job)
    time.sleep(IDLE_SECONDS)


def before_stopping(job: MainJob) -> None:
    """1.1.0 serves, and one session runs a query that does not end."""
    job.ensure_serving("1.1.0")
    session = _opened(job)

    def wait() -> None:
        with suppress(psycopg.Error):  # it is stopped
            session.execute("select pg_sleep(600)")

    Thread(target=wait, daemon=True).start()
    assert eventually(lambda: forgotten(job) == ("active",)), "the query did not begin"


def forgotten(job: MainJob) -> tuple[str, ...]:
    """Return what they do."""
    with admin(job) as connection:
        return tuple(str(state) for (state,) in connection.execute(_STATES, (FORGOTTEN,)).fetchall())


def pid_of(job: MainJob) -> int:
    """Return the process of the only one."""
    with admin(job) as connection:
        ((pid,),) = connection.execute("select pid from pg_stat_activity where application_name = %s", (FORGOTTEN,)).fetchall()
    return int(str(pid))


def nobody_forgotten(job: MainJob) -> None:
    """None is left."""
    with admin(job) as connection:
        connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where application_name = %s", (FORGOTTEN,))
    assert eventually(lambda: forgotten(job) == ()), "a session did not end"
    while _OPEN:
        _OPEN.pop().close()


def _opened(job: MainJob) -> psycopg.Connection:
    nobody_forgotten(job)
    session = psycopg.connect(job.parts.database_url("claims_app").get_secret_value(), autocommit=True, application_name=FORGOTTEN)
    _OPEN.append(session)
    session.execute("select 1")
    return session


_OPEN: list[psycopg.Connection] = []
"""Kept from being closed by Python."""
