"""Who may come in."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from pydantic import SecretStr
from starlette.types import ASGIApp

from unioneyes.console.app import build_app
from unioneyes.console.control import Control
from unioneyes.console.guard import host_name, is_token
from unioneyes.console.limits import Limits
from unioneyes.kernel.redaction import Redactor

TOKEN = SecretStr("ue_token-of-this-server")


def test_only_the_token_is_the_token() -> None:
    assert is_token("ue_token-of-this-server", TOKEN)
    assert not is_token("ue_token-of-this-serve", TOKEN)
    assert not is_token("", TOKEN)
    assert not is_token("ue_tökén", TOKEN)


def test_no_token_opens_a_server_that_has_none() -> None:
    assert not is_token("", SecretStr(""))


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


def test_an_address_is_told_back_cut_off_however_long_it_was() -> None:
    control = object.__new__(Control)
    for name, value in {"hosts": frozenset({"127.0.0.1"}), "token": TOKEN, "limits": Limits(), "redactor": Redactor()}.items():
        object.__setattr__(control, name, value)
    answer = asyncio.run(asked(build_app(control), f"/api/{'a' * 50_000}"))
    assert answer.status_code == 404
    assert "there is nothing at /api/aaa" in answer.text
    assert len(answer.text) < 1_000


async def asked(app: ASGIApp, path: str) -> httpx.Response:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers={"Authorization": f"Bearer {TOKEN.get_secret_value()}"}) as client:
        return await client.get(path)
