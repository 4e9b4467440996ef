from __future__ import annotations

import json
import logging
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unioneyes.claims.logs import JsonLines, log, request_id

FORMATTER = JsonLines(replica="blue-1", version="1.0.0")


@given(st.text())
def test_any_message_stays_on_one_line_of_json(message: str) -> None:
    line = FORMATTER.format(logging.LogRecord("claims", logging.INFO, "", 0, message, None, None))
    assert "\n" not in line
    assert json.loads(line)["level"] == "INFO"


def test_a_line_says_when_who_and_for_which_request_without_secrets(caplog: pytest.LogCaptureFixture) -> None:
    token = request_id.set("request-1")
    try:
        with caplog.at_level(logging.INFO):
            log(
                logging.getLogger("claims.test"),
                logging.ERROR,
                "no route to postgresql://claims_app:hunter22@db/x",
                error=ValueError("token=hunter22"),
                took_ms=3,
            )
        line = json.loads(FORMATTER.format(caplog.records[-1]))
    finally:
        request_id.reset(token)
    assert datetime.fromisoformat(line["timestamp"]).tzinfo is not None
    assert (line["replica"], line["version"], line["request_id"], line["took_ms"]) == ("blue-1", "1.0.0", "request-1", 3)
    assert "ValueError" in line["exception"]
    assert "hunter22" not in json.dumps(line)
