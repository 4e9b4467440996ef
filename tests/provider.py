"""An identity provider for servers under test, and the settings that make a server sign people in with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from starlette.applications import Starlette
from starlette.routing import Mount

from unioneyes.simulators import oidc
from unioneyes.simulators.serving import served

CLIENT_ID, SECRET = "unioneyes", "a-secret-of-the-provider-s"
PEOPLE = (
    oidc.Person(subject="u-jane", claims={"preferred_username": "jane", "groups": ["platform"]}),
    oidc.Person(subject="u-sam", claims={"preferred_username": "sam", "groups": ["security"]}),
    oidc.Person(subject="u-adam", claims={"preferred_username": "adam", "groups": ["admins"]}),
    oidc.Person(subject="u-otto", claims={"preferred_username": "otto", "groups": ["sales", "staff"]}),
    oidc.Person(subject="u-other-jane", claims={"preferred_username": "Jane", "groups": ["admins"]}),
    oidc.Person(subject="u-engine", claims={"preferred_username": "engine", "groups": ["admins"]}),
)


@contextmanager
def running_provider(host: str = "127.0.0.1") -> Iterator[oidc.Provider]:
    """A provider that has no client yet: `register` makes one."""
    made: list[oidc.Provider] = []
    nobody = oidc.Client(client_id=CLIENT_ID, secret=SECRET, redirect_uris=())

    def make(url: str) -> Starlette:
        made.append(oidc.Provider(url=f"{url.replace('127.0.0.1', host)}/oidc", client=nobody, people=PEOPLE))
        return Starlette(routes=[Mount("/oidc", routes=oidc.routes(made[0]))])

    with served(make):
        yield made[0]


def register(provider: oidc.Provider, server: str) -> str:
    """The server at this address is the provider's client; return the settings that it needs for it. `OIDC_SECRET` is to hold the secret."""
    provider.client = oidc.Client(client_id=CLIENT_ID, secret=SECRET, redirect_uris=(f"{server}/login/callback",), signed_out_uris=(f"{server}/login",))
    return f"""
[sign_in]
issuer = "{provider.url}"
client_id = "{CLIENT_ID}"
client_secret = "secret://environment/OIDC_SECRET"
url = "{server}"
contact = "the platform team, #platform"
[sign_in.roles]
platform = ["operator", "release-approver"]
security = ["security-approver"]
admins = ["admin"]
"""
