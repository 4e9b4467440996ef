"""What break-glass refuses before it looks at anything, and who points at it."""

from __future__ import annotations

from pathlib import Path

import pytest

from unioneyes.cli.command import run_verb
from unioneyes.cli.tree import find
from unioneyes.kernel.problems import ExitCode

VERB = find(["rollback", "traffic"])
assert VERB is not None
WHY = ["--reason", "errors"]


@pytest.fixture(autouse=True)
def no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("UE_URL", "UE_TOKEN", "UE_HOME", "UE_ENV"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("flag", ["--detach", "--park"])
def test_what_needs_the_server_is_refused(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert VERB is not None
    assert run_verb(VERB, ["--direct", *WHY, flag]) == ExitCode.USAGE
    assert "--direct does without it" in capsys.readouterr().err


def test_a_server_elsewhere_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert VERB is not None
    monkeypatch.setenv("UE_URL", "http://127.0.0.1:1")
    assert run_verb(VERB, ["--direct", *WHY]) == ExitCode.USAGE
    assert "unset UE_URL" in capsys.readouterr().err


def test_an_environment_that_never_was_is_refused_and_nothing_is_left_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert VERB is not None
    assert run_verb(VERB, ["--direct", *WHY, "--home", str(tmp_path)]) == ExitCode.REFUSED
    assert "ue env up" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_it_asks_why(capsys: pytest.CaptureFixture[str]) -> None:
    assert VERB is not None
    assert run_verb(VERB, ["--direct"]) == ExitCode.USAGE
    assert "--reason" in capsys.readouterr().err


def test_the_normal_command_names_it_when_nobody_answers(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert VERB is not None
    monkeypatch.setenv("UE_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("UE_TOKEN", "ue_nobody")
    assert run_verb(VERB, WHY) == ExitCode.FAILED
    assert "ue rollback traffic --direct" in capsys.readouterr().err
