"""What every layer shares."""

import pickle
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unioneyes.kernel.ids import new_id
from unioneyes.kernel.problems import BadInput, ExitCode, Problem, Refused, ReportedProblem, Unavailable
from unioneyes.kernel.redaction import BLOT, Redactor
from unioneyes.kernel.status import RunStatus
from unioneyes.kernel.units import format_bytes, format_duration, parse_duration


class NoReadyReplica(Unavailable):
    """A problem with a name."""


def test_a_problem_survives_pickling() -> None:
    problem = pickle.loads(pickle.dumps(NoReadyReplica(what="green has none", remedy="look")))  # noqa: S301 - our own bytes
    assert isinstance(problem, NoReadyReplica)
    assert (problem.what, problem.remedy) == ("green has none", "look")


def test_a_problem_says_what_and_what_to_do_in_every_form() -> None:
    problem = NoReadyReplica(what="green has none", remedy="ue deploy status")
    assert str(problem) == "green has none (ue deploy status)"
    assert problem.document()["type"] == "urn:unioneyes:problem:no-ready-replica"
    assert problem.document()["status"] == 503
    assert problem.document()["retryable"]


def test_a_reported_problem_keeps_the_name_it_had() -> None:
    document = NoReadyReplica(what="green has none", remedy="look").document()
    assert ReportedProblem.read(document).code == "no-ready-replica"
    assert ReportedProblem.read(document).document() == document


@pytest.mark.parametrize(("kind", "code"), [(Problem, ExitCode.FAILED), (BadInput, ExitCode.USAGE), (Refused, ExitCode.REFUSED)])
def test_each_kind_of_problem_has_its_exit_code(kind: type[Problem], code: ExitCode) -> None:
    assert kind(what="x", remedy="y").exit_code == code


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("10m", 600), ("1h30m", 5400), ("500ms", 0.5), ("2d", 172800), ("1.5h", 5400), (" 5 m ", 300)]
)
def test_durations_are_read_as_people_write_them(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "soon", "10x", "m", "-5m", "10m later", "999999999999d", "9" * 400])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        parse_duration(text)


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=900)))
def test_durations_are_shown_in_at_most_two_units(duration: timedelta) -> None:
    assert 2 <= len(format_duration(duration).split()) <= 4


def test_durations_and_sizes_are_shown_as_people_read_them() -> None:
    assert format_duration(timedelta(milliseconds=340)) == "340 ms"
    assert format_duration(timedelta(seconds=4.23)) == "4.2 s"
    assert format_duration(timedelta(minutes=90)) == "1 h 30 min"
    assert [format_bytes(312), format_bytes(4300), format_bytes(1 << 30), format_bytes(3 << 40)] == ["312 B", "4.2 KiB", "1.0 GiB", "3.0 TiB"]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("postgresql://app:hunter2hunter2@127.0.0.1:5432/db", "postgresql://app:"),
        ("password=hunter2hunter2 host=x", "host=x"),
        ("Authorization: Bearer abcdefghijklmnop", "Authorization: Bearer "),
        ("token eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ1c2VyIn0.c2lnbmF0dXJl", "token "),
        ("xoxb-123456789-abcdefgh", ""),
    ],
)
def test_what_looks_like_a_secret_is_blotted_out(text: str, kept: str) -> None:
    shown = Redactor()(text)
    assert BLOT in shown
    assert kept in shown
    assert "hunter2" not in shown


@given(st.text(alphabet="abcdefgh0123456789", min_size=6, max_size=30), st.text(max_size=40))
def test_a_known_secret_never_comes_through(secret: str, around: str) -> None:
    assert secret not in Redactor([secret])(f"{around}{secret}{around}").replace(BLOT, "")


def test_short_values_are_not_blotted_out_of_ordinary_words() -> None:
    assert Redactor(["app"])("the app answers") == "the app answers"


def test_ids_sort_by_time_and_have_no_letters_that_are_mistaken() -> None:
    assert new_id("deploy").startswith("deploy-20")
    assert not set("01ilou") & set(new_id("x").rpartition("-")[2])


def test_every_run_status_has_a_look_of_its_own() -> None:
    looks = [status.look for status in RunStatus]
    assert len({(look.icon, look.word) for look in looks}) == len(looks)
