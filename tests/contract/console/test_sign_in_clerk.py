"""Coming in with Clerk: a browser, the server, and a provider with Clerk's addresses, scopes and claims."""

from __future__ import annotations

import re
from urllib.parse import urljoin

import httpx
import pytest
from starlette.applications import Starlette

from tests.contract.console.conftest import Alone
from tests.contract.identity.test_clerk import EXAMPLE, PEOPLE, SECRET, example
from unioneyes.simulators import oidc
from unioneyes.simulators.serving import served

pytestmark = pytest.mark.stack


def settings_at(server: str, issuer: str) -> str:
    """Return the example's way of signing in, between these two addresses."""
    text = EXAMPLE.read_text()
    text = text[text.index("[sign_in]") :].replace("https://clerk.example.org", issuer).replace("https://ops.example.org", server)
    return text.replace("secret://file/etc/ue/clerk-secret", "secret://environment/CLERK_SECRET")


def test_somebody_comes_in_with_clerk_and_goes_out_here_alone(alone: Alone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLERK_SECRET", SECRET)
    sign_in = example().sign_in
    assert sign_in is not None
    made: list[oidc.Provider] = []
    nobody = oidc.Client(client_id=sign_in.client_id, secret=SECRET, redirect_uris=())

    def make(url: str) -> Starlette:
        made.append(oidc.Provider(url=url, client=nobody, people=PEOPLE, shape=oidc.CLERK))
        return Starlette(routes=oidc.routes(made[0]))

    with served(make) as issuer, alone.app(settings=lambda url: settings_at(url, issuer)) as server:
        made[0].client = oidc.Client(client_id=sign_in.client_id, secret=SECRET, redirect_uris=(f"{server}/login/callback",))
        with httpx.Client(base_url=server, timeout=60, trust_env=False) as browser:
            there = browser.get("/login/provider").headers["location"]
            assert there.startswith(f"{issuer}/oauth/authorize?")
            page = httpx.get(there, trust_env=False)
            number = re.search('name="request" value="([^"]+)"', page.text)
            assert number, page.text
            sent = httpx.post(urljoin(there, "choose"), data={"request": number[1], "person": "user_jane"}, trust_env=False)
            assert browser.get(sent.headers["location"]).status_code == 200
            me = browser.get("/api/v1/me").json()
            assert (me["name"], me["roles"]) == ("jane@example.org", ["operator", "release-approver"])
            shown = re.search(r"""hx-headers='\{"X-CSRF-Token": "([0-9a-f]{64})"\}'""", browser.get("/runs").text)
            assert shown
            gone = browser.post("/logout", headers={"X-CSRF-Token": shown[1], "Sec-Fetch-Site": "same-origin"})
            assert gone.headers["HX-Redirect"] == "/login"
            assert browser.get("/api/v1/me").status_code == 401
        assert made[0].violations == []
