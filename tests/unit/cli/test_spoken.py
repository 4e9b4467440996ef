"""What is asked of an argument before the server is."""

from __future__ import annotations

import pytest

from unioneyes.cli.command import run_verb
from unioneyes.cli.spoken import WrongValue, require_address, require_limit
from unioneyes.cli.tree import find


@pytest.mark.parametrize("limit", [-1, 0, 501])
def test_a_limit_out_of_range_is_refused_with_the_range(limit: int) -> None:
    with pytest.raises(WrongValue, match=r"out of range.*from 1 to 500"):
        require_limit(limit, most=500)


@pytest.mark.parametrize("limit", [1, 500])
def test_a_limit_in_range_is_taken(limit: int) -> None:
    require_limit(limit, most=500)


@pytest.mark.parametrize("url", ["notaurl", "ftp://example.org", "http://", "http:// x", ""])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(WrongValue, match="no address"):
        require_address(url)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080", "https://example.org/base"])
def test_an_address_is_taken(url: str) -> None:
    require_address(url)


@pytest.mark.parametrize("words", [["run", "list", "--limit", "0"], ["deploy", "list", "--limit", "0"], ["deploy", "smoke", "notaurl"]])
def test_a_wrong_value_is_refused_before_any_server_is_asked(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    verb = find(words)
    assert verb is not None
    assert run_verb(verb, words[2:]) == 2
    assert "wrong-value (exit code 2)" in capsys.readouterr().err
