"""What is kept of values and problems, and what comes back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue, ValidationError

from unioneyes.kernel.problems import Problem, ReportedProblem
from unioneyes.kernel.redaction import Redactor
from unioneyes.operations.deployment.model import Keep, NotEnoughData, RollBack, Verdict
from unioneyes.ports.database import MigrationDrift
from unioneyes.ports.traffic import Weights
from unioneyes.runbook.codec import NotKeepable, decode, encode, keep_problem, recall_problem, redacted
from unioneyes.runbook.outcome import Raised, Returned, Stopped, keep, recall
from unioneyes.runbook.steps import Stop

REDACT = Redactor(["topsecret"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Everything:
    """What results are made of."""

    at: datetime
    took: timedelta
    weights: tuple[Weights, ...]
    verdict: Verdict
    path: Path | None
    share: float


EVERYTHING = st.builds(
    Everything,
    at=st.datetimes(timezones=st.just(UTC)),
    took=st.timedeltas(min_value=timedelta(days=-999), max_value=timedelta(days=999)),
    weights=st.lists(st.builds(Weights, blue=st.integers(0, 100), green=st.integers(0, 100))).map(tuple),
    verdict=st.one_of(st.builds(Keep, reason=st.text()), st.builds(RollBack, reason=st.text()), st.builds(NotEnoughData, reason=st.text())),
    path=st.none() | st.just(Path("docs/incidents/one.md")),
    share=st.floats(allow_nan=False, allow_infinity=False),
)


@given(EVERYTHING)
def test_a_value_comes_back_as_it_was(value: Everything) -> None:
    kept = encode(value, Everything)
    assert decode(json.loads(json.dumps(kept)), Everything) == value


@pytest.mark.parametrize(("value", "kind"), [("text", int), (float("nan"), float), ({"a": 1}, Weights), (Weights(), Keep)])
def test_a_value_that_would_come_back_different_is_refused(value: object, kind: type) -> None:
    with pytest.raises(NotKeepable):
        encode(value, kind)


def test_a_document_of_another_shape_is_refused() -> None:
    with pytest.raises(ValidationError):
        decode({"blue": "much"}, Weights)


@dataclass(kw_only=True, eq=False)
class Full(Problem):
    """A disk is full."""

    free: timedelta
    where: Path


def test_a_problem_comes_back_as_its_own_class_with_its_fields() -> None:
    back = recall_problem(keep_problem(Full(what="full", remedy="tidy up", free=timedelta(seconds=3), where=Path("data")), REDACT))
    assert isinstance(back, Full)
    assert (back.what, back.remedy, back.free, back.where) == ("full", "tidy up", timedelta(seconds=3), Path("data"))


def test_a_problem_is_kept_without_secrets() -> None:
    kept = keep_problem(MigrationDrift(what="at postgresql://owner:hunter22@db/claims, topsecret", remedy="Bearer abcdefghijkl"), REDACT)
    assert "hunter22" not in str(kept)
    assert "topsecret" not in str(kept)
    assert isinstance(recall_problem(kept), MigrationDrift)


def test_a_problem_of_a_class_that_is_no_more_comes_back_as_reported() -> None:
    class Passing(Problem):
        """Gone soon."""

    problem = Passing(what="it was", remedy="forget it")
    kept = keep_problem(problem, REDACT)
    back = recall_problem(type(kept)(kind="unioneyes.gone:Passing", fields=kept.fields, document=kept.document))
    assert isinstance(back, ReportedProblem)
    assert back.document() == problem.document()


def test_a_problem_that_another_process_reported_is_kept_as_reported() -> None:
    reported = ReportedProblem.read(MigrationDrift(what="edited", remedy="look").document())
    back = recall_problem(keep_problem(reported, REDACT))
    assert back.code == "migration-drift"
    assert back.document() == reported.document()


def test_a_problem_whose_fields_can_not_be_kept_is_kept_as_reported() -> None:
    @dataclass(kw_only=True, eq=False)
    class Odd(Problem):
        """Holds what no JSON holds."""

        lock: object

    back = recall_problem(keep_problem(Odd(what="odd", remedy="none", lock=object()), REDACT))
    assert isinstance(back, ReportedProblem)
    assert back.what == "odd"


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))  # what a database keeps
JSON = st.recursive(st.none() | st.booleans() | st.integers() | TEXT, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=12)


@given(JSON)
def test_redaction_changes_nothing_but_secrets(document: JsonValue) -> None:
    assert redacted(document, Redactor()) == document or "[redacted]" in str(redacted(document, Redactor()))
    assert "topsecret" not in str(redacted({"deep": [{"down": "a topsecret b"}], "as is": document}, REDACT)).replace(str(document), "")


@pytest.mark.parametrize(
    "outcome",
    [
        Returned(value={"a": [1, None]}),
        Raised(problem=keep_problem(MigrationDrift(what="edited", remedy="look"), REDACT), refused=True),
        Stopped(why=Stop.SUPERSEDED, begun=False),
    ],
)
def test_an_outcome_comes_back_as_it_was(outcome: Returned | Raised | Stopped) -> None:
    assert recall(json.loads(json.dumps(keep(outcome)))) == outcome
