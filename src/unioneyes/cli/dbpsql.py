"""`ue db psql`: the shell of the database, with a role, time limits, and an entry in the audit log when it begins and when it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from unioneyes.cli.client import URL, Api, login_name
from unioneyes.cli.confirm import asked_reason
from unioneyes.cli.options import HERE, PRINTED, Output, Where
from unioneyes.cli.output import say
from unioneyes.environments import home_of
from unioneyes.kernel.problems import BadInput, ExitCode, Problem, Refused
from unioneyes.ports.environment import Facts
from unioneyes.runbook.views import DatabaseSession

if TYPE_CHECKING:
    from unioneyes.environments.local.psql import WayIn

_SIGNALLED = 128
_OF_A_TERMINAL = ("TERM", "COLUMNS", "LINES", "PAGER", "PSQL_PAGER", "EDITOR", "PSQL_EDITOR")


def psql(
    *,
    write: Annotated[bool, Parameter(negative=(), show_default=False, help="As the role that owns the schema, and may write; asks for a reason.")] = False,
    reason: Annotated[str | None, Parameter(help="Why; it stands in the audit log. Asked for with --write, and in production.")] = None,
    where: Where = HERE,
    output: Output = PRINTED,
) -> ExitCode:
    """Open psql on the operated database; that you did, why and for how long stands in the audit log.

    Without --write as ue_operator, which sees what the server does and reads no table. A statement ends after 30 s, waits 2 s for a lock;
    the session ends after 1 min idle in a transaction, or 15 min idle. What you type is kept nowhere. What is piped in is run. Ends as psql does.
    """
    del output  # psql's own
    if os.environ.get(URL):
        raise NotHere(what=f"{URL} names a server, and the way into its database is not told", remedy="log in where its folder is, and type it there")
    from unioneyes.environments.local.psql import way_into_database  # noqa: PLC0415 - imports the adapters

    api = Api(where)
    facts = api.get("environment", Facts).value
    said = reason or (_asked_reason(facts, write=write) if write or facts.production else None)
    with way_into_database(home_of(where.env, where.home), write=write, by=login_name()) as way:
        opened = api.post("database/sessions", {"write": write, "reason": said}, DatabaseSession).value
        began = time.monotonic()
        ended = _SIGNALLED + signal.SIGTERM
        try:
            say(f"{facts.name}: as {way.role}, {'may write' if write else 'reads only'}; this session stands in the audit log; leave it by \\q\n{way.ends}")
            ended = _run(way)
        finally:
            _tell_end(api, opened, seconds=time.monotonic() - began, code=ended)
    return ExitCode(ended) if ended in set(ExitCode) else sys.exit(ended)


def _run(way: WayIn) -> int:
    """Return how psql ended."""
    environment = {**way.environment, **{name: os.environ[name] for name in _OF_A_TERMINAL if name in os.environ}}
    with _signals_are_psql_s():
        ended = subprocess.run(way.argv, env=environment, check=False).returncode
    return ended if ended >= 0 else _SIGNALLED - ended


def _tell_end(api: Api, opened: DatabaseSession, *, seconds: float, code: int) -> None:
    try:
        api.post("database/sessions/end", {"session": opened.session, "seconds": round(seconds, 3), "exit_code": code}, DatabaseSession)
    except Problem as unheard:
        say(f"that the session ended does not stand in the audit log: {unheard}")


@contextmanager
def _signals_are_psql_s() -> Iterator[None]:
    """Ctrl-C cancels psql's query and leaves us alone; where our terminal goes away, or we are told to end, we end it and clean up."""

    def end(number: int, frame: FrameType | None) -> None:
        del frame
        sys.exit(_SIGNALLED + number)

    def leave_alone(number: int, frame: FrameType | None) -> None:
        del number, frame

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    signal.signal(signal.SIGINT, leave_alone)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            with suppress(TypeError):  # one that no Python code set
                signal.signal(number, handler)


def _asked_reason(facts: Facts, *, write: bool) -> str:
    """Return why, from whoever types. Raises: NoReason."""
    if not sys.stdin.isatty():
        raise NoReason(what="nobody goes into the database like that without saying why", remedy='add --reason "..."')
    return asked_reason(facts, f"why do you {'write' if write else 'go in'}")


class NoReason(BadInput):
    """Why somebody goes in is kept."""


class NotHere(Refused):
    """The environment's folder is elsewhere."""
