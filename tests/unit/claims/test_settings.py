from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unioneyes.claims.problems import BadSettings
from unioneyes.claims.settings import TcpAddress, UnixAddress, parse_address, read_settings

COMPLETE = {
    "CLAIMS_VERSION": "1.0.0",
    "CLAIMS_REPLICA": "blue-1",
    "CLAIMS_LISTEN": "unix:/run/blue-1.sock",
    "CLAIMS_DATABASE_URL_FILE": "/nowhere/database-url",
    "CLAIMS_JWKS_URL": "http://127.0.0.1:9/jwks.json",
    "CLAIMS_ISSUER": "http://127.0.0.1:9",
}


@pytest.fixture(autouse=True)
def complete(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in COMPLETE.items():
        monkeypatch.setenv(name, value)


def test_what_is_not_given_has_its_default() -> None:
    settings = read_settings()
    assert settings.listen == UnixAddress(Path("/run/blue-1.sock"))
    assert (settings.private_listen, settings.audience, settings.allow_faults) == (None, None, False)
    assert settings.drain == timedelta(seconds=3)


@pytest.mark.parametrize("name", COMPLETE)
def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.delenv(name)
    with pytest.raises(BadSettings, match=f"{name}: Field required"):
        read_settings()


def test_what_is_unknown_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLAIMS_ALLOW_FAULT", "true")
    with pytest.raises(BadSettings, match="unknown settings: CLAIMS_ALLOW_FAULT "):
        read_settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CLAIMS_POOL_SIZE", "hunter2"),
        ("CLAIMS_DRAIN_SECONDS", "-1"),
        ("CLAIMS_JWKS_URL", "file:///hunter2"),
        ("CLAIMS_LISTEN", "hunter2"),
        ("CLAIMS_PRIVATE_LISTEN", "hunter2"),
    ],
)
def test_what_is_wrong_is_named_without_its_value(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(BadSettings, match=name) as problem:
        read_settings()
    assert value not in str(problem.value)


def test_an_unreadable_database_url_file_is_named() -> None:
    with pytest.raises(BadSettings, match="/nowhere/database-url"):
        read_settings().database_url()


@given(st.integers(min_value=0, max_value=65535))
def test_a_port_is_an_address(port: int) -> None:
    assert parse_address(f"127.0.0.1:{port}") == TcpAddress("127.0.0.1", port)


@pytest.mark.parametrize("text", ["", "unix:", "unix:relative", "127.0.0.1", "127.0.0.1:http", "127.0.0.1:65536", ":8000", "unix:/" + "x" * 107])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"write it as|at most 107 bytes"):
        parse_address(text)
