"""A request's fields as flags."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import pytest
from cyclopts import App, CycloptsError
from hypothesis import given
from hypothesis import strategies as st

from unioneyes.cli.options import HERE, Where
from unioneyes.cli.request import asks_for
from unioneyes.kernel.field_docs import field_docs
from unioneyes.kernel.problems import BadInput
from unioneyes.operations.deployment.model import DeployRequest, Strategy
from unioneyes.operations.rollback.model import RestoreRequest, RollBackMigrationRequest, RollBackReleaseRequest
from unioneyes.ports.environment import NoData
from unioneyes.ports.runs import RollBackTrafficRequest


@asks_for(DeployRequest, positional="version")
def deploy(request: DeployRequest, *, loud: bool = False, where: Where = HERE) -> tuple[DeployRequest, bool, Where]:
    """Deploy.

    Args:
        loud: Say more.
    """
    return request, loud, where


APP = App(name="deploy", version_flags=[], result_action="return_value", help_format="plaintext")
APP.default(deploy)


def parse(*words: str) -> tuple[DeployRequest, bool, Where]:
    parsed = APP(list(words), exit_on_error=False, print_error=False)
    assert isinstance(parsed, tuple)
    return parsed


def words_of(request: DeployRequest) -> list[str]:
    """Return what a person would type for `request`."""
    words = [request.version, "--strategy", request.strategy.value]
    words += ["--migrate"] * request.migrate + ["--maintenance"] * request.maintenance + ["--no-auto-rollback"] * (not request.auto_rollback)
    words += ["--hold"] * request.hold + ["--canary", ",".join(map(str, request.canary))] * bool(request.canary)
    words += ["--no-data", request.no_data.value] if request.no_data else []
    words += ["--canary-bake", f"{request.canary_bake.total_seconds():g}s"] if request.canary_bake is not None else []
    return words if request.bake is None else [*words, "--bake", f"{request.bake.total_seconds():g}s"]


@given(
    st.builds(
        DeployRequest,
        version=st.from_regex(r"[0-9]+\.[0-9]+\.[0-9]+(-[a-z]+)?", fullmatch=True),
        strategy=st.sampled_from(Strategy),
        bake=st.none() | st.integers(0, 86400).map(lambda seconds: timedelta(seconds=seconds)),
        canary=st.lists(st.integers(0, 200), max_size=4).map(tuple),
        canary_bake=st.none() | st.integers(0, 86400).map(lambda seconds: timedelta(seconds=seconds)),
        hold=st.booleans(),
        no_data=st.none() | st.sampled_from(NoData),
    )
)
def test_every_request_can_be_typed(request_: DeployRequest) -> None:
    assert parse(*words_of(request_))[0] == request_


def test_what_is_not_typed_keeps_the_request_s_default() -> None:
    assert parse("1.1.0") == (DeployRequest(version="1.1.0"), False, Where())


def test_own_flags_stand_beside_the_request_s() -> None:
    assert parse("1.1.0", "--loud", "--env", "staging") == (DeployRequest(version="1.1.0"), True, Where(env="staging"))


@pytest.mark.parametrize(("text", "duration"), [("10m", timedelta(minutes=10)), ("90s", timedelta(seconds=90)), ("1h30m", timedelta(minutes=90))])
def test_a_duration_is_typed_as_people_write_it(text: str, duration: timedelta) -> None:
    assert parse("1.1.0", "--bake", text)[0].bake == duration


def test_what_is_no_duration_is_bad_input() -> None:
    with pytest.raises(BadInput, match="'soon' is no duration"):
        parse("1.1.0", "--bake", "soon")


@pytest.mark.parametrize("words", [(), ("1.1.0", "--no-migrate"), ("1.1.0", "--version", "1.1.0"), ("1.1.0", "2.0.0"), ("1.1.0", "--strategy", "canary")])
def test_what_no_request_has_is_refused(words: tuple[str, ...]) -> None:
    with pytest.raises(CycloptsError):
        parse(*words)


def test_the_docstring_under_a_field_is_the_flag_s_help(capsys: pytest.CaptureFixture[str]) -> None:
    APP(["--help"])
    printed = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "Version to deploy, as `ue release list` names it." in printed
    assert "--bake DURATION" in printed
    assert "Say more." in printed


def test_every_field_of_a_request_has_its_help() -> None:
    for kind in (DeployRequest, RollBackTrafficRequest, RollBackReleaseRequest, RollBackMigrationRequest, RestoreRequest):
        assert set(field_docs(kind)) == set(kind.__dataclass_fields__)


@dataclass(frozen=True, kw_only=True)
class Sheltered:
    """A request with a field that no person types."""

    reason: str
    """Why."""
    origin: str = "a person"
    """Who starts it."""


def test_a_hidden_field_keeps_its_default() -> None:
    @asks_for(Sheltered, hidden=frozenset({"origin"}))
    def command(request: Sheltered) -> Sheltered:
        return request

    app = App(version_flags=[], result_action="return_value")
    app.default(command)
    assert app(["--reason", "because"], exit_on_error=False) == Sheltered(reason="because")
    with pytest.raises(CycloptsError):
        app(["--reason", "because", "--origin", "x"], exit_on_error=False, print_error=False)


def test_shares_are_typed_with_commas_and_may_have_their_sign() -> None:
    assert parse("1.1.0", "--canary", "10%,50%")[0].canary == (10, 50)
    with pytest.raises(BadInput, match="is no list of numbers"):
        parse("1.1.0", "--canary", "ten")
