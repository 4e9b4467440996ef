"""The numbers behind a verdict, from the journal: as they were, or as they stand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import JsonValue

from unioneyes.cli.explaining import explanation_text
from unioneyes.cli.output import Ink
from unioneyes.operations.deployment.explanation import NothingToExplain, explanation
from unioneyes.operations.deployment.model import Figures, Keep, RuleSeen, Watched
from unioneyes.runbook.codec import encode
from unioneyes.runbook.views import EntryKind, JournalEntry

AT = datetime(2026, 2, 9, 14, 30, tzinfo=UTC)
RUN = "deployment-20260209-143000-k7m2q"
RULE = RuleSeen(rule="tenant org_a", counts=False, new=1.0, old=None, limit=0.05, evidence=3.25, threshold=8.1, convicts=False, note="3 failures")
FIGURES = Figures(answers=400, errors=0, slow=0, p99_ms=20.0)
WATCHED = Watched(
    verdict=Keep(reason="none of the limits was passed"),
    new=FIGURES,
    old=FIGURES,
    took=timedelta(minutes=1),
    detected_at=None,
    share=10,
    evidence=(RULE,),
)
RULES = encode((RULE,), tuple[RuleSeen, ...])


def entry(kind: EntryKind, step: str, data: dict[str, JsonValue], *, run_id: str = RUN, message: str = "400 answers") -> JournalEntry:
    return JournalEntry(seq=1, run_id=run_id, at=AT, kind=kind, step=step, message=message, data=data)


DONE = entry(EntryKind.STEP_DONE, "watch_release", {"result": encode(WATCHED, Watched)})
GOING_ON = entry(EntryKind.STEP_PROGRESS, "watch_release", {"share": 50, "evidence": RULES})


def test_a_watch_that_ended_shows_its_verdict_and_one_under_way_how_it_stands() -> None:
    first, second = explanation((DONE, GOING_ON, entry(EntryKind.STEP_PROGRESS, "watch_release", {"share": 50, "evidence": None})), RUN).watches
    assert (first.share, first.verdict, first.reason) == (10, "keep", "none of the limits was passed")
    assert (second.share, second.verdict, second.reason, second.rules) == (50, None, "400 answers", (RULE,))


def test_a_hold_shows_how_it_stands_until_it_ends() -> None:
    holding = entry(EntryKind.STEP_PROGRESS, "hold", {"share": 10, "evidence": RULES}, message="held for 3 min")
    assert [watch.reason for watch in explanation((DONE, holding), RUN).watches] == ["none of the limits was passed", "held for 3 min"]
    assert len(explanation((DONE, holding, entry(EntryKind.STEP_DONE, "hold", {})), RUN).watches) == 1


def test_where_nothing_was_watched_there_is_nothing_to_explain() -> None:
    with pytest.raises(NothingToExplain, match="has not watched anything"):
        explanation((entry(EntryKind.STEP_DONE, "watch_release", {"result": encode(WATCHED, Watched)}, run_id=f"{RUN}.1"),), RUN)


def test_people_read_shares_in_percent_and_evidence_beside_what_would_be_enough() -> None:
    text = explanation_text(Ink(colour=False), explanation((DONE,), RUN))
    assert text.startswith("At 10 % of the requests: keep, none of the limits was passed")
    assert "tenant org_a  100.0 %  none seen  5.0 %  10^3.2 of 10^8.1  3 failures" in text
