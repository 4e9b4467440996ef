"""Who may come in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from unioneyes.console.guard import SESSION_LASTS, host_name, is_session, is_token, new_session

TOKEN = SecretStr("ue_token-of-this-server")
AT = datetime(2026, 2, 9, 14, 30, tzinfo=UTC)


def test_only_the_token_is_the_token() -> None:
    assert is_token("ue_token-of-this-server", TOKEN)
    assert not is_token("ue_token-of-this-serve", TOKEN)
    assert not is_token("", TOKEN)
    assert not is_token("ue_tökén", TOKEN)


def test_a_session_ends_by_itself() -> None:
    session = new_session(TOKEN, AT)
    assert is_session(session, TOKEN, AT + SESSION_LASTS - timedelta(seconds=1))
    assert not is_session(session, TOKEN, AT + SESSION_LASTS)


@pytest.mark.parametrize("tampered", ["", ".", "9999999999.", "9999999999.0000", "nan.x", "ue_token-of-this-server"])
def test_nobody_without_the_token_makes_a_session(tampered: str) -> None:
    assert not is_session(tampered, TOKEN, AT)


def test_a_session_can_t_be_made_longer() -> None:
    ends, _, seal = new_session(TOKEN, AT).partition(".")
    assert not is_session(f"{int(ends) + 3600}.{seal}", TOKEN, AT)


def test_a_session_is_of_one_server() -> None:
    assert not is_session(new_session(SecretStr("another server's token"), AT), TOKEN, AT)


@pytest.mark.parametrize(
    ("host", "name"),
    [("localhost:8180", "localhost"), ("127.0.0.1", "127.0.0.1"), ("[::1]:8180", "[::1]"), ("[::1]", "[::1]"), ("", ""), ("LOCAL:1", "local")],
)
def test_a_host_is_compared_without_its_port(host: str, name: str) -> None:
    assert host_name(host) == name
