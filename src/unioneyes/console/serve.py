"""The server of one environment: API, console, worker and sampler in one process."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from ssl import SSLContext
from threading import Thread

import uvicorn
from fastapi import FastAPI

from unioneyes.console.alarm import Alarm
from unioneyes.console.app import build_app
from unioneyes.console.backup_watch import BackupWatch
from unioneyes.console.control import Control
from unioneyes.console.headers import LOOPBACK_NAMES
from unioneyes.console.journals import Journals
from unioneyes.console.listener import listener
from unioneyes.console.pod_sampler import PodSampler
from unioneyes.console.reminder import Reminder
from unioneyes.console.renewal import Renewal
from unioneyes.console.sampler import Sampler
from unioneyes.environments import open_environment
from unioneyes.environments.chapters import drilled
from unioneyes.environments.document import document_upkeep
from unioneyes.environments.listening import OnAddress
from unioneyes.environments.model import OpenedEnvironment
from unioneyes.kernel.clock import rfc3339
from unioneyes.kernel.problems import ExitCode, Problem
from unioneyes.kernel.redaction import Redactor
from unioneyes.runbook.definition import definitions
from unioneyes.runbook.engine import Engine
from unioneyes.runbook.freshness import Drills
from unioneyes.runbook.own import OwnRunbooks
from unioneyes.runbook.store.pool import ElasticPool

log = logging.getLogger(__name__)

_TICKS_A_SECOND = 10
_LAST_ANSWERS_SECONDS = 3
"""How long answers that are under way may still take when the server ends."""


class Server(uvicorn.Server):
    """Tells those who wait for something that the server ends, and shows a renewed certificate."""

    def __init__(self, config: uvicorn.Config, control: Control, renewal: Renewal | None = None) -> None:
        """Serve by `config` for `control`; under TLS, with what `renewal` reads."""
        super().__init__(config)
        self._control = control
        self._renewal = renewal

    async def on_tick(self, counter: int) -> bool:
        """Return whether to end. Asked ten times a second."""
        if self._renewal and counter % _TICKS_A_SECOND == 0:
            self._renewal.look()
        return await super().on_tick(counter)

    def handle_exit(self, sig: int, frame: object) -> None:
        """Take no new requests, and answer those who wait; then whoever serves goes on, and ends what it began.

        uvicorn's own would remember the signal and send it to this process again at the end, which then dies with its worker and its socket as they are.
        """
        del frame
        self._control.stopping.set()
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True


class RedactedLines(logging.Formatter):
    """Formats a record as one line of time, level, place and message, without secrets."""

    def __init__(self, redact: Redactor) -> None:
        """Blot out what `redact` knows."""
        super().__init__()
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, and the traceback below it."""
        at = rfc3339(datetime.fromtimestamp(record.created, UTC))
        trace = f"\n{self.formatException(record.exc_info)}" if record.exc_info else ""
        return self._redact(f"{at} {record.levelname:<7} {record.name}: {record.getMessage()}{trace}")


def serve(name: str, home: Path | None) -> None:
    """Serve the environment until SIGTERM or SIGINT; what was running is then left to whoever serves next.

    Raises: UnknownEnvironment, NeverStarted, SettingsRefused, KeyExposed, CertificateUnusable, AddressTaken, UnusableSocket, ControlDatabaseUnavailable.
    """
    opened = open_environment(name, home)
    log_to_stderr(opened.redactor)
    at = opened.listening
    renewal = Renewal(at.certificate) if isinstance(at, OnAddress) and at.certificate else None
    with listener(at) as taken, running(opened) as control:
        log.info("serving %s at %s as %s", name, at.url, control.engine.name)
        Server(uvicorn_config(build_app(control), renewal.context if renewal else None), control, renewal).run([taken])
    log.info("ended")


@contextmanager
def running(opened: OpenedEnvironment) -> Iterator[Control]:
    """Worker, sampler, reminder and alarm run."""
    drills = Drills(drilled)
    own = OwnRunbooks(opened.runbooks)
    own.refresh()  # before a run of one of them is taken up
    _tell_disorder(opened)
    _tell_inoperable(opened)
    engine = Engine(
        database_url=opened.control_database_url,
        environment=opened.environment,
        redactor=opened.redactor,
        sealing=opened.sealing,
        break_glass=opened.break_glass,
        look_again=own.refresh,
        require=drills.require if opened.refuse_undrilled else lambda _: None,
    )
    sampler = Sampler(opened.environment.traffic)
    pods = PodSampler(opened.environment.pods, redact=opened.redactor)
    reminder = Reminder(document_upkeep)
    alarm = Alarm(engine.audit.status, opened.environment, opened.alarm, redact=opened.redactor)
    watch = BackupWatch(engine, opened.environment)
    engine.launch()
    sampler.start()
    pods.start()
    reminder.start()
    alarm.start()
    watch.start()
    try:
        yield Control(
            engine=engine,
            environment=opened.environment,
            journals=Journals(engine),
            sampler=sampler,
            pods=pods,
            watch=watch,
            own=own,
            drills=drills,
            token=opened.api_token,
            redactor=opened.redactor,
            hosts=LOOPBACK_NAMES | opened.listening.names,
            sign_in=opened.sign_in,
            chat=opened.chat,
        )
    finally:
        watch.stop()
        alarm.stop()
        reminder.stop()
        pods.stop()
        sampler.stop()
        engine.close()


def _tell_inoperable(opened: OpenedEnvironment) -> None:
    """The log says what we may not do where the service runs, before anybody asks for it. Whoever needs the rest is served all the same."""

    def look() -> None:
        try:
            opened.require_operable()
        except Problem as problem:
            log.warning("%s", problem)

    Thread(target=look, name="operable", daemon=True).start()


def _tell_disorder(opened: OpenedEnvironment) -> None:
    """The log says what in the approvals' policy lets nothing begin, before anybody asks for something."""
    wrong: dict[str, None] = {}
    for known in definitions():
        try:
            opened.environment.checklist.approvals(known.name)
        except Problem as problem:
            wrong[str(problem)] = None
    for told in wrong:
        log.error("%s", told)


def log_to_stderr(redact: Redactor) -> None:
    """What this process logs from INFO on stands on stderr, without secrets."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(RedactedLines(redact))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for chatty in ("uvicorn.error", "httpx", "httpx2", "dbos", ElasticPool.__module__):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def uvicorn_config(app: FastAPI, context: SSLContext | None) -> uvicorn.Config:
    """Return how the application is served: it believes nothing that a request says of where it comes from."""
    return uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # anybody on this machine could say to be another client, or to come by TLS
        ws="none",
        timeout_graceful_shutdown=_LAST_ANSWERS_SECONDS,
        ssl_context_factory=(lambda _config, _default: context) if context else None,
    )


def main(words: list[str]) -> int:
    """Serve the environment that `words` name; return the exit code."""
    name, *folder = words
    try:
        serve(name, Path(folder[0]) if folder else None)
    except Problem as problem:
        log_to_stderr(Redactor())
        log.critical("%s", problem)
        return problem.exit_code
    return ExitCode.DONE
