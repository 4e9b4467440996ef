from __future__ import annotations

import json

from unioneyes.adapters.kubernetes.pod_logs import entries


def stamped(*lines: str) -> list[str]:
    return [f"2026-03-01T12:00:{second:02}.123456789Z {line}" for second, line in enumerate(lines)]


def told(*lines: str) -> list[tuple[int, str, str]]:
    return [(entry.at.second, entry.level, entry.message) for entry in entries(stamped(*lines))]


def test_plain_text_has_the_time_of_its_line() -> None:
    assert told("INFO one", "ERROR two", "") == [(0, "INFO", "INFO one"), (1, "ERROR", "ERROR two")]


def test_json_has_the_time_that_it_names() -> None:
    line = json.dumps({"timestamp": "2026-03-01T11:00:59Z", "level": "warning", "message": "slow"})
    assert told("before", line) == [(0, "INFO", "before"), (59, "WARNING", "slow")]


def test_a_traceback_is_one_error_that_its_last_line_names() -> None:
    lines = ("Traceback (most recent call last):", '  File "x"', "    raise", "ValueError: no", "after")
    assert told(*lines) == [(0, "ERROR", "ValueError: no"), (4, "INFO", "after")]
    assert told(*lines[:3]) == [(0, "ERROR", lines[0])], "cut off"


def test_a_line_without_a_time_is_kept() -> None:
    (entry,) = entries(["unable to retrieve container logs"])
    assert entry.message == "unable to retrieve container logs"
