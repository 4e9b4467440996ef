"""Which lines are meant, and how they read."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from unioneyes.cli.loglines import Chosen, line_text
from unioneyes.cli.output import Ink
from unioneyes.kernel.problems import BadInput
from unioneyes.ports.replicas import LogLine

LINE = LogLine(at=datetime(2026, 2, 9, 14, 30, tzinfo=UTC), replica="blue-1", level="ERROR", message="no such table", request_id="r-1")


def chosen(grep: str | None) -> Chosen:
    return Chosen(pod=None, colour=None, since=None, previous=False, grep=grep, tail=10)


def test_a_line_reads_as_it_is_searched() -> None:
    assert line_text(Ink(colour=False), LINE) == "2026-02-09T14:30:00.000Z blue-1 ERROR no such table [r-1]"


@pytest.mark.parametrize(("grep", "meant"), [(None, True), ("ERROR", True), ("error", False), ("ERROR|WARN", True), (r"blue-1 \w+ no", True), ("green", False)])
def test_an_expression_finds_what_it_finds_in_the_printed_line(grep: str | None, *, meant: bool) -> None:
    assert chosen(grep).wanted()(LINE) is meant


def test_what_is_no_expression_is_refused() -> None:
    with pytest.raises(BadInput, match="no regular expression"):
        chosen("(").wanted()


def test_the_server_is_asked_for_what_was_said() -> None:
    asked = Chosen(pod="blue-1", colour=None, since=LINE.at, previous=True, grep="ERROR", tail=10).query(limit=7)
    assert asked == {"pod": "blue-1", "colour": None, "since": "2026-02-09T14:30:00.000Z", "previous": True, "limit": 7}
