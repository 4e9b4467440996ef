"""Clerk: signing in as the settings in `docs/examples/clerk.toml` have it, with Clerk's addresses, scopes and claims."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qsl, urljoin, urlsplit

import httpx
import jwt
import pytest
from pydantic import JsonValue
from starlette.applications import Starlette

from tests.contract.identity.conftest import attempt
from unioneyes.adapters.oidc.id_token import verified
from unioneyes.environments.listening import listening
from unioneyes.environments.settings import ControlSettings, EnvironmentSettings, SignInSettings, read_settings
from unioneyes.environments.sign_in import SignIn, open_sign_in
from unioneyes.kernel.access import Role
from unioneyes.kernel.clock import now
from unioneyes.ports.identity import Answer, Identity, IdentityRefused
from unioneyes.simulators import oidc
from unioneyes.simulators.serving import served

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "clerk.toml"
SECRET = "VVgbT7i6sPo7sTljq2zj12fjmg0jPL5k"


def clerk_user(number: str, groups: JsonValue, *, verified_email: bool = True, unsafe: JsonValue = None) -> oidc.Person:
    """Return somebody as Clerk's identities and userinfo tell of them."""
    return oidc.Person(
        subject=f"user_{number}",
        claims={
            "email": f"{number}@example.org",
            "email_verified": verified_email,
            "family_name": "Doe",
            "given_name": number.title(),
            "name": f"{number.title()} Doe",
            "picture": "https://img.clerk.com/x",
            "preferred_username": "boss",  # chosen by themselves
            "public_metadata": {} if groups is None else {"groups": groups},
            "unsafe_metadata": {} if unsafe is None else {"groups": unsafe},
            "private_metadata": {"groups": ["platform"]},
            "org_id": "org_2abc",
        },
    )


PEOPLE = (
    clerk_user("jane", ["platform", "staff"]),
    clerk_user("sam", "security"),
    clerk_user("otto", None, unsafe=["platform"]),
    clerk_user("nina", ["platform"], verified_email=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clerk:
    """Clerk's instance, and the example's settings for it."""

    provider: oidc.Provider
    settings: SignInSettings

    def sign_in_with(self, **changed: object) -> SignIn:
        """Return how people sign in, by the example's settings but for what is given."""
        settings = self.settings.model_copy(update=changed)
        opened = open_sign_in(settings, listening(ControlSettings(), port=8180))
        assert opened is not None
        return opened

    def identify(self, person: str, **changed: object) -> Identity:
        """Return who comes back, after a browser was sent to Clerk and `person` signed in there."""
        provider = self.sign_in_with(**changed).provider
        with httpx.Client(trust_env=False) as browser:
            page = browser.get(provider.sign_in_url(attempt()))
            assert page.status_code == 200, page.text
            number, action = re.search('name="request" value="([^"]+)"', page.text), re.search('action="([^"]+)"', page.text)
            assert number, page.text
            assert action, page.text
            sent = browser.post(urljoin(str(page.url), action[1]), data={"request": number[1], "person": f"user_{person}"})
        brought = dict(parse_qsl(urlsplit(sent.headers["location"]).query))
        return provider.identify(attempt(), Answer(code=brought["code"], issuer=brought.get("iss")))


def example() -> EnvironmentSettings:
    return read_settings(EXAMPLE)


@pytest.fixture(scope="module")
def clerk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clerk]:
    settings = example().sign_in
    assert settings is not None
    assert settings.url is not None
    client = oidc.Client(client_id=settings.client_id, secret=SECRET, redirect_uris=("http://127.0.0.1:8180/login/callback",))
    kept = tmp_path_factory.mktemp("clerk") / "secret"
    kept.touch(mode=0o600)
    kept.write_text(SECRET)
    made: list[oidc.Provider] = []

    def make(url: str) -> Starlette:
        made.append(oidc.Provider(url=url, client=client, people=PEOPLE, shape=oidc.CLERK))
        return Starlette(routes=oidc.routes(made[0]))

    with served(make) as url:
        here = settings.model_dump() | {"issuer": url, "url": "http://127.0.0.1:8180", "client_secret": f"secret://file{kept}"}
        yield Clerk(provider=made[0], settings=SignInSettings.model_validate(here))
        assert made[0].violations == []


def test_somebody_comes_in_by_their_verified_address_with_what_their_public_metadata_brings(clerk: Clerk) -> None:
    jane = clerk.identify("jane")
    assert (jane.issuer, jane.subject, jane.name) == (clerk.provider.url, "user_jane", "jane@example.org")
    assert jane.groups == ("platform", "staff")
    assert jane.roles == {Role.OPERATOR, Role.RELEASE_APPROVER}
    assert clerk.identify("sam").roles == {Role.SECURITY_APPROVER}, "one group may stand there as a text"


def test_what_people_write_themselves_brings_no_role(clerk: Clerk) -> None:
    assert clerk.identify("otto").roles == set()


def test_an_address_that_clerk_did_not_verify_is_no_name(clerk: Clerk) -> None:
    with pytest.raises(IdentityRefused, match="never verified"):
        clerk.identify("nina")


@pytest.mark.parametrize("left_out", ["public_metadata", "email"])
def test_each_scope_of_the_example_is_needed(clerk: Clerk, left_out: str) -> None:
    scopes = [scope for scope in clerk.settings.scopes if scope != left_out]
    if left_out == "email":
        with pytest.raises(IdentityRefused, match="there is no email"):
            clerk.identify("jane", scopes=scopes)
    else:
        assert clerk.identify("jane", scopes=scopes).roles == set()


def test_an_organisation_that_was_chosen_at_the_sign_in_may_be_the_group(clerk: Clerk) -> None:
    scopes = [*clerk.settings.scopes, "user:org:read"]
    assert clerk.identify("jane", scopes=scopes, roles_claim="org_id", roles={"org_2abc": [Role.AUDITOR]}).roles == {Role.AUDITOR}


def test_signing_out_stays_here_for_clerk_offers_none(clerk: Clerk) -> None:
    assert clerk.sign_in_with().provider.sign_out_url(clerk.identify("jane").proof) is None


def test_its_discovery_document_may_leave_out_how_it_signs(clerk: Clerk, monkeypatch: pytest.MonkeyPatch) -> None:
    """As instances were seen to."""
    says = {name: value for name, value in oidc.CLERK.says.items() if name != "id_token_signing_alg_values_supported"}
    monkeypatch.setattr(clerk.provider, "shape", replace(oidc.CLERK, says=says))
    assert clerk.identify("jane").name == "jane@example.org"


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({}, 'missing the "aud" claim'),
        ({"aud": "d9g4CT4WYiCBm7EU"}, 'missing the "nonce" claim'),
        ({"aud": "d9g4CT4WYiCBm7EU", "nonce": "n"}, "given to 'https://app.example.org'"),
    ],
    ids=["as it is", "with an audience by a template", "with a nonce too"],
)
def test_a_session_token_of_the_same_instance_is_no_identity(clerk: Clerk, more: dict[str, JsonValue], why: str) -> None:
    """Signed by the same key, for whatever page of the product asked; its `azp` is that page's origin."""
    issued = int(now().timestamp())
    claims: dict[str, JsonValue] = {"iss": clerk.provider.url, "sub": "user_jane", "sid": "sess_2abc", "azp": "https://app.example.org", "v": 2}
    claims |= {"iat": issued, "nbf": issued - 10, "exp": issued + int(timedelta(minutes=1).total_seconds()), "public_metadata": {"groups": ["platform"]}}
    token = clerk.provider.keys.signed(claims | more, None, None)
    with pytest.raises(IdentityRefused, match=why):
        verified(
            token,
            issuer=clerk.provider.url,
            client_id=clerk.settings.client_id,
            nonce="n",
            access_token=None,
            offered=["RS256"],
            key=lambda _: jwt.PyJWK(clerk.provider.keys.public()[-1]),
        )


def test_the_example_is_taken_as_it_stands() -> None:
    settings = example()
    assert settings.sign_in is not None
    assert settings.sign_in.scopes == ["openid", "profile", "email", "public_metadata"]
    assert settings.control.name == "ops.example.org"
