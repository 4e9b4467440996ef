"""Start one replica: `python -m unioneyes.claims.serve`, with its settings in the environment (`CLAIMS_...`)."""

from __future__ import annotations

import logging
import sys

from uvicorn import Config

from unioneyes.claims.app import build_app
from unioneyes.claims.draining import Connection, Drain, DrainingServer, Listener
from unioneyes.claims.logs import log, log_to_stdout
from unioneyes.claims.settings import ClaimsSettings, read_settings
from unioneyes.kernel.problems import ExitCode, Problem

_KEEP_ALIVE_SECONDS = 75
"""Longer than the edge keeps an idle connection, so that the edge is the one who closes it."""
_GRACE_SECONDS = 20
"""For requests that are under way when the drain is over."""

_logger = logging.getLogger("claims.serve")


def main() -> int:
    """Serve until told to end; return the exit code."""
    log_to_stdout(replica="", version="")
    try:
        settings = read_settings()
        log_to_stdout(replica=settings.replica, version=settings.version)
        serve(settings)
    except Problem as problem:
        log(_logger, logging.CRITICAL, str(problem), code=problem.code)
        return problem.exit_code
    except Exception as error:  # noqa: BLE001 - the supervisor reads why a replica ended from its log
        log(_logger, logging.CRITICAL, "the replica ended with an exception", error=error)
        return ExitCode.FAILED
    return ExitCode.DONE


def serve(settings: ClaimsSettings) -> None:
    """Serve until told to end; every request that arrived was answered. Raises: UnknownVersion, FaultNotAllowed, BadSettings, OSError."""
    drain = Drain(settings.drain)
    app = build_app(settings, drain)
    listeners = tuple(Listener(address) for address in (settings.listen, settings.private_listen) if address is not None)
    config = Config(
        app,
        http=Connection,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    log(_logger, logging.INFO, "serving", listen=str(settings.listen))
    DrainingServer(config, drain=drain, listeners=listeners).run([listener.socket for listener in listeners])
    log(_logger, logging.INFO, "ended")


if __name__ == "__main__":
    sys.exit(main())
