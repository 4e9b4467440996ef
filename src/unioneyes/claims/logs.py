"""Logs: one JSON object a line on stdout, with the request that each line belongs to."""

from __future__ import annotations

import json
import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime

from unioneyes.kernel.clock import rfc3339
from unioneyes.kernel.redaction import Redactor

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""The request under way; empty outside one."""

LogField = str | int | float | bool | None


class JsonLines(logging.Formatter):
    """Formats a record as one JSON object, without secrets."""

    def __init__(self, *, replica: str, version: str) -> None:
        """Put the replica's name and version on each line."""
        super().__init__()
        self._replica = replica
        self._version = version
        self._redact = Redactor()

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        fields: dict[str, LogField] = getattr(record, "fields", {})
        line: dict[str, LogField] = {
            "timestamp": rfc3339(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname,
            "message": self._redact(record.getMessage()),
            "replica": self._replica,
            "version": self._version,
            "request_id": request_id.get() or None,
            **fields,
        }
        if record.exc_info:
            line["exception"] = self._redact(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False)


def log_to_stdout(*, replica: str, version: str) -> None:
    """Everything that is logged in this process from INFO on stands on stdout as JSON lines."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonLines(replica=replica, version=version))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)


def log(logger: logging.Logger, level: int, message: str, *, error: BaseException | None = None, **fields: LogField) -> None:
    """Log `message` with structured fields."""
    logger.log(level, message, extra={"fields": fields}, exc_info=error)
