"""Who may come in."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from pydantic import SecretStr
from starlette.types import ASGIApp

from unioneyes.console.app import build_app
from unioneyes.console.control import Control
from unioneyes.console.guard import SESSION_LASTS, _seal, host_name, is_token, new_session, session_of
from unioneyes.console.limits import Limits
from unioneyes.kernel.redaction import Redactor

TOKEN = SecretStr("ue_token-of-this-server")
AT = datetime(2026, 2, 9, 14, 30, tzinfo=UTC)


def test_only_the_token_is_the_token() -> None:
    assert is_token("ue_token-of-this-server", TOKEN)
    assert not is_token("ue_token-of-this-serve", TOKEN)
    assert not is_token("", TOKEN)
    assert not is_token("ue_tökén", TOKEN)


def test_no_token_opens_a_server_that_has_none() -> None:
    assert not is_token("", SecretStr(""))


def test_a_session_remembers_its_token_and_ends_by_itself() -> None:
    session = new_session(7, TOKEN, AT)
    assert session_of(session, TOKEN, AT + SESSION_LASTS - timedelta(seconds=1)) == 7
    assert session_of(session, TOKEN, AT + SESSION_LASTS) is None


@pytest.mark.parametrize("tampered", ["", ".", "9999999999.", "9999999999.0000", "9999999999.0.00", "nan.x.y", "ue_token-of-this-server"])
def test_nobody_without_the_token_makes_a_session(tampered: str) -> None:
    assert session_of(tampered, TOKEN, AT) is None


def test_a_session_can_t_be_made_longer_nor_be_somebody_else_s() -> None:
    ends, number, seal = new_session(7, TOKEN, AT).split(".")
    assert session_of(f"{int(ends) + 3600}.{number}.{seal}", TOKEN, AT) is None
    assert session_of(f"{ends}.0.{seal}", TOKEN, AT) is None


@pytest.mark.parametrize("said", ["9999999999", "9999999999.", ".7", "", "soon.7", "9999999999.seven"])
def test_a_session_that_another_release_sealed_in_its_own_form_has_ended(said: str) -> None:
    assert session_of(f"{said}.{_seal(said, TOKEN)}", TOKEN, AT) is None


def test_a_session_is_of_one_server() -> None:
    assert session_of(new_session(0, SecretStr("another server's token"), AT), TOKEN, AT) is None


@pytest.mark.parametrize(
    ("host", "name"),
    [("localhost:8180", "localhost"), ("127.0.0.1", "127.0.0.1"), ("[::1]:8180", "[::1]"), ("[::1]", "[::1]"), ("", ""), ("LOCAL:1", "local")],
)
def test_a_host_is_compared_without_its_port(host: str, name: str) -> None:
    assert host_name(host) == name


def test_an_answer_to_what_nobody_foresaw_is_a_problem_and_guarded_too() -> None:
    broken = object.__new__(Control)
    for name, value in {"hosts": frozenset({"127.0.0.1"}), "token": TOKEN, "limits": Limits(), "redactor": Redactor()}.items():
        object.__setattr__(broken, name, value)
    answer = asyncio.run(asked(build_app(broken), "/api/v1/runs"))
    assert (answer.status_code, answer.json()["type"]) == (500, "urn:unioneyes:problem:server-fault")
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert answer.headers["cache-control"] == "no-store"


async def asked(app: ASGIApp, path: str) -> httpx.Response:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers={"Authorization": f"Bearer {TOKEN.get_secret_value()}"}) as client:
        return await client.get(path)
