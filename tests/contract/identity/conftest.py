"""Providers that sign people in: the simulator, and a certified one (`oidc-provider`, from npm)."""

from __future__ import annotations

import hashlib
import json
import re
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from pydantic import JsonValue, SecretStr
from starlette.applications import Starlette
from starlette.routing import Mount

from tests.npm import installed
from unioneyes.adapters.oidc import Client, OpenIdProvider, Reading
from unioneyes.kernel.access import Role
from unioneyes.ports.identity import Answer, Attempt
from unioneyes.simulators import oidc
from unioneyes.simulators.oidc.lies import Lie
from unioneyes.simulators.serving import served

REDIRECT_URI = "http://127.0.0.1:8180/login/callback"
SIGNED_OUT_URI = "http://127.0.0.1:8180/login"
CLIENT_ID, SECRET = "unioneyes operations", "a secret with / and : and +"
PEOPLE: dict[str, dict[str, JsonValue]] = {
    "u-jane": {"preferred_username": "Jane.Doe", "groups": ["platform", "staff"], "email": "jane@example.org", "email_verified": True},
    "u-otto": {"preferred_username": "otto", "groups": ["sales"], "email": "otto@example.org", "email_verified": False},
    "u-nina": {"preferred_username": "nina", "email": "nina@example.org"},
}
ROLES = {"platform": frozenset({Role.OPERATOR, Role.RELEASE_APPROVER}), "auditors": frozenset({Role.AUDITOR})}
READING = Reading(name_claim="preferred_username", roles_claim="groups", roles=ROLES)


def attempt(number: int = 1) -> Attempt:
    """Return a sign-in, as a server begins one."""
    chance = [hashlib.sha256(f"{purpose} {number}".encode()).hexdigest() for purpose in ("state", "nonce", "verifier")]
    return Attempt(state=chance[0], nonce=chance[1], verifier=chance[2])


class Running(Protocol):
    """A provider that answers."""

    @property
    def url(self) -> str:
        """Its issuer."""

    def browse(self, url: str, person: str) -> dict[str, str]:
        """Return what a browser comes back with to the redirect URI: `person` opened `url`, and signed in."""

    def signed_out(self, url: str) -> str:
        """Return where a browser is sent back to that opened `url`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """A provider, and our adapter before it."""

    running: Running
    authentication: str

    def adapter(self, *, reading: Reading = READING, redirect_uri: str = REDIRECT_URI, within: float = 5, secret: str | None = None) -> OpenIdProvider:
        """Return a client that is what the provider knows; with `secret`, one that shows another."""
        shown = secret or (SECRET if self.authentication != "none" else None)
        client = Client(
            client_id=CLIENT_ID,
            secret=SecretStr(shown) if shown else None,
            redirect_uri=redirect_uri,
            signed_out_uri=SIGNED_OUT_URI,
            scopes=("openid", "profile", "email"),
        )
        return OpenIdProvider(self.running.url, client, reading, time_limit=timedelta(seconds=within))

    def come_back(self, adapter: OpenIdProvider, person: str, trying: Attempt) -> Answer:
        """Return the answer that the person's browser brings."""
        brought = self.running.browse(adapter.sign_in_url(trying), person)
        assert brought["state"] == trying.state
        return Answer(code=brought["code"], issuer=brought.get("iss"))


@dataclass(slots=True)
class Simulated:
    """The simulator."""

    provider: oidc.Provider

    @property
    def url(self) -> str:
        return self.provider.url

    def browse(self, url: str, person: str) -> dict[str, str]:
        with httpx.Client(trust_env=False) as browser:
            page = browser.get(url)
            number = re.search('name="request" value="([^"]+)"', page.text)
            assert number, page.text
            sent = browser.post(f"{self.url}/choose", data={"request": number[1], "person": person})
        return _brought(sent.headers["location"])

    def signed_out(self, url: str) -> str:
        answer = httpx.get(url, trust_env=False)
        assert answer.status_code == 303, answer.text
        return answer.headers["location"]

    def tell(self, lie: Lie | None) -> None:
        httpx.post(f"{self.url}/_lie", json={"lie": lie}, trust_env=False).raise_for_status()


@dataclass(slots=True)
class Certified:
    """The real one. Whoever has signed in once is remembered, as browsers are."""

    url: str
    browsers: dict[str, httpx.Client] = field(default_factory=dict)

    def browse(self, url: str, person: str) -> dict[str, str]:
        browser = self.browsers.setdefault(person, httpx.Client(trust_env=False))
        answer = browser.get(url)
        for _ in range(10):
            if (there := answer.headers.get("location", "")).startswith(REDIRECT_URI):
                return _brought(there)
            if answer.is_redirect:
                answer = browser.get(answer.next_request.url if answer.next_request else there)
                continue
            assert answer.status_code == 200, answer.text
            prompt = re.search('name="prompt" value="([a-z]+)"', answer.text)
            assert prompt, answer.text
            answer = browser.post(_action(answer), data={"prompt": prompt[1], "login": person, "password": "any"})
        raise AssertionError(answer.text)

    def signed_out(self, url: str) -> str:
        """The browser asks, and the person confirms."""
        browser = next(iter(self.browsers.values()))
        page = browser.get(url)
        assert page.status_code == 200, page.text
        hidden = re.search('name="xsrf" value="([^"]+)"', page.text)
        assert hidden, page.text
        answer = browser.post(_action(page), data={"xsrf": hidden[1], "logout": "yes"})
        return answer.headers["location"]


def _action(page: httpx.Response) -> str:
    found = re.search('action="([^"]+)"', page.text)
    assert found, page.text
    return str(page.url.join(found[1]))


def _brought(location: str) -> dict[str, str]:
    assert location.startswith(f"{REDIRECT_URI}?"), location
    return dict(parse_qsl(urlsplit(location).query))


@contextmanager
def simulated(authentication: str) -> Iterator[Simulated]:
    people = tuple(
        oidc.Person(subject=subject, claims={name: value for name, value in claims.items() if name != "groups"}, userinfo=claims)
        for subject, claims in PEOPLE.items()
    )
    client = oidc.Client(
        client_id=CLIENT_ID,
        secret=None if authentication == "none" else SECRET,
        authentication=authentication,
        redirect_uris=(REDIRECT_URI,),
        signed_out_uris=(SIGNED_OUT_URI,),
    )
    made: list[oidc.Provider] = []

    def make(url: str) -> Starlette:
        made.append(oidc.Provider(url=f"{url}/oidc", client=client, people=people))
        return Starlette(routes=[Mount("/oidc", routes=oidc.routes(made[0]))])

    with served(make):
        yield Simulated(made[0])


@contextmanager
def certified(authentication: str) -> Iterator[Certified]:
    folder = installed(Path(__file__).parent / "oidc-provider")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    client = {
        "client_id": CLIENT_ID,
        "client_secret": SECRET,
        "token_endpoint_auth_method": authentication,
        "redirect_uris": [REDIRECT_URI],
        "post_logout_redirect_uris": [SIGNED_OUT_URI],
    }
    if authentication == "none":
        del client["client_secret"]
    told = json.dumps({"port": port, "clients": [client], "people": PEOPLE})
    with (folder / f"{authentication}.log").open("w") as log:
        node = subprocess.Popen(["node", "provider.mjs", told], cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            assert node.stdout is not None
            assert node.stdout.readline() == "ready\n", Path(log.name).read_text()
            running = Certified(f"http://127.0.0.1:{port}")
            yield running
            for browser in running.browsers.values():
                browser.close()
        finally:
            node.terminate()
            node.communicate(timeout=10)


PROVIDERS: Mapping[str, Callable[[str], AbstractContextManager[Running]]] = {"simulator": simulated, "oidc-provider": certified}


@pytest.fixture(scope="module", params=PROVIDERS)
def make(request: pytest.FixtureRequest) -> Callable[[str], AbstractContextManager[Running]]:
    name: str = request.param
    return PROVIDERS[name]


@pytest.fixture(scope="module", params=["client_secret_basic", "client_secret_post", "none"])
def door(request: pytest.FixtureRequest, make: Callable[[str], AbstractContextManager[Running]]) -> Iterator[Door]:
    authentication: str = request.param
    with make(authentication) as running:
        yield Door(running=running, authentication=authentication)
