"""`ue runbook document` ends with another exit code from the day on after which a review was missed."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from unioneyes.cli.command import run_verb
from unioneyes.cli.tree import find
from unioneyes.environments.document import document_upkeep
from unioneyes.kernel.problems import ExitCode

DUE = datetime.combine(document_upkeep().next_review, datetime.min.time(), UTC)


@pytest.mark.parametrize(
    ("days", "ends", "shows", "says"),
    [
        (-2, ExitCode.DONE, "✔ in 2 days", ""),
        (-1, ExitCode.DONE, "✔ in 1 day", ""),
        (0, ExitCode.DONE, "✔ in 0 days", ""),
        (1, ExitCode.PENDING, "✘ missed", "1 day ago: it waits for"),
    ],
)
def test_a_missed_review_is_said_and_ends_with_8(capsys: pytest.CaptureFixture[str], days: int, ends: ExitCode, shows: str, says: str) -> None:
    verb = find(["runbook", "document"])
    assert verb is not None
    with time_machine.travel(DUE + timedelta(days=days, hours=12), tick=False):
        assert run_verb(verb, []) == ends
        told = capsys.readouterr()
        assert run_verb(verb, ["-o", "json"]) == ends
    assert shows in told.out
    assert says in told.err
    kept = json.loads(capsys.readouterr().out)
    assert (kept["days_left"], kept["missed"]) == (-days, days > 0)
    assert kept["document"]["next_review"] == f"{document_upkeep().next_review}"
