"""A provider that lies, or that somebody else answers for: each is found out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest
import time_machine
from pydantic import SecretStr

from tests.contract.identity.conftest import READING, REDIRECT_URI, Door, Simulated, attempt, simulated
from unioneyes.adapters.oidc import Client, OpenIdProvider, metadata
from unioneyes.adapters.oidc.id_token import CLOCKS_DIFFER
from unioneyes.kernel.clock import now
from unioneyes.kernel.problems import Problem
from unioneyes.ports.identity import Answer, IdentityRefused, ProviderRefused, ProviderUnavailable
from unioneyes.simulators.oidc.lies import Lie
from unioneyes.simulators.oidc.signing import LIFETIME

REFUSED: dict[Lie, tuple[type[Problem], str]] = {
    Lie.OTHER_NONCE: (IdentityRefused, "made for another sign-in"),
    Lie.NO_NONCE: (IdentityRefused, "nonce"),
    Lie.OTHER_ISSUER: (IdentityRefused, "[Ii]ssuer"),
    Lie.OTHER_AUDIENCE: (IdentityRefused, "[Aa]udience"),
    Lie.OTHER_PARTY: (IdentityRefused, "given to 'another-client'"),
    Lie.MANY_AUDIENCES: (IdentityRefused, "does not say to whom"),
    Lie.EXPIRED: (IdentityRefused, "expired"),
    Lie.FROM_THE_FUTURE: (IdentityRefused, "not yet valid"),
    Lie.NO_SUBJECT: (IdentityRefused, "sub"),
    Lie.NO_END: (IdentityRefused, "exp"),
    Lie.ALG_NONE: (IdentityRefused, "'none'"),
    Lie.HS256_WITH_THE_PUBLIC_KEY: (IdentityRefused, "'HS256'"),
    Lie.HS256_WITH_THE_SECRET: (IdentityRefused, "'HS256'"),
    Lie.UNKNOWN_KEY: (IdentityRefused, "a key that .* does not have"),
    Lie.FORGED: (IdentityRefused, "[Ss]ignature"),
    Lie.OTHER_ACCESS_TOKEN: (IdentityRefused, "another access token"),
    Lie.SOMEBODY_ELSE: (IdentityRefused, "somebody else"),
    Lie.NO_IDENTITY: (ProviderUnavailable, "id_token"),
    Lie.GARBAGE: (ProviderUnavailable, "can't be read"),
    Lie.ENDLESS: (ProviderUnavailable, "DecodingError"),
    Lie.DOWN: (ProviderUnavailable, "503"),
    Lie.SLOW: (ProviderUnavailable, "ReadTimeout"),
    Lie.OTHER_SENDER: (IdentityRefused, "https://another.example"),
}
ELSEWHERE = {Lie.REFUSED, Lie.OTHER_STATE, Lie.OTHER_DISCOVERY}
"""Told apart by whoever sends the browser there, or before."""


@pytest.fixture(scope="module")
def running() -> Iterator[Simulated]:
    with simulated("client_secret_basic") as running:
        yield running


@pytest.fixture
def provider(running: Simulated) -> Simulated:
    running.provider.lie = None
    running.provider.violations.clear()
    return running


@pytest.fixture
def door(provider: Simulated) -> Door:
    return Door(running=provider, authentication="client_secret_basic")


def test_every_lie_is_tried() -> None:
    assert {*REFUSED, *ELSEWHERE} == {*Lie}


@pytest.mark.parametrize("lie", REFUSED, ids=str)
def test_no_lie_is_believed(provider: Simulated, door: Door, lie: Lie) -> None:
    kind, told = REFUSED[lie]
    adapter = door.adapter(within=1)
    url = adapter.sign_in_url(attempt())
    if lie is Lie.OTHER_SENDER:
        provider.tell(lie)
    brought = provider.browse(url, "u-jane")
    provider.tell(lie)
    began = time.monotonic()
    with pytest.raises(kind, match=told):
        adapter.identify(attempt(), answer_of(brought))
    assert time.monotonic() - began < 3
    provider.provider.lie = None
    assert adapter.identify(attempt(2), door.come_back(adapter, "u-jane", attempt(2))).name == "jane.doe", "it was that, and nothing else"
    assert provider.provider.violations == []


def answer_of(brought: dict[str, str]) -> Answer:
    return Answer(code=brought["code"], issuer=brought.get("iss"))


def test_a_person_who_says_no_is_not_signed_in_and_the_words_come_along(provider: Simulated, door: Door) -> None:
    url = door.adapter().sign_in_url(attempt())
    provider.tell(Lie.REFUSED)
    assert provider.browse(url, "u-jane") == {
        "state": attempt().state,
        "iss": provider.url,
        "error": "access_denied",
        "error_description": "the person said no",
    }


def test_whoever_answers_for_another_provider_is_not_asked(provider: Simulated, door: Door) -> None:
    provider.tell(Lie.OTHER_DISCOVERY)
    with pytest.raises(ProviderUnavailable, match=r"says that it is https://another\.example"):
        door.adapter().sign_in_url(attempt())


def test_a_provider_that_cannot_be_reached_at_all_is_told_as_that() -> None:
    adapter = OpenIdProvider("http://127.0.0.1:9/oidc", Client(client_id="x", secret=None, redirect_uri="x", signed_out_uri="x", scopes=("openid",)), READING)
    with pytest.raises(ProviderUnavailable, match="ConnectError"):
        adapter.sign_in_url(attempt())
    assert adapter.sign_out_url(SecretStr("x")) is None, "nobody is kept in for it"


def test_a_provider_that_is_away_is_asked_again_soon_and_not_at_once(provider: Simulated, door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "AWAY_FOR", timedelta(seconds=0.5))
    adapter = door.adapter(within=1)
    provider.tell(Lie.SLOW)
    with pytest.raises(ProviderUnavailable):
        adapter.sign_in_url(attempt())
    began = time.monotonic()
    with pytest.raises(ProviderUnavailable):
        adapter.sign_in_url(attempt())
    assert time.monotonic() - began < 0.3, "those who come meanwhile wait for nothing"
    provider.provider.lie = None
    time.sleep(0.6)
    assert adapter.sign_in_url(attempt()).startswith(f"{provider.url}/authorize?")


def test_a_provider_takes_a_new_key_and_nobody_notices(provider: Simulated, door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "KEYS_NOT_BEFORE", timedelta(0))
    adapter = door.adapter()
    for number in range(3):
        answer = door.come_back(adapter, "u-jane", attempt(number))
        assert adapter.identify(attempt(number), answer).subject == "u-jane"
        provider.provider.keys.rotate()


def test_unknown_keys_do_not_make_us_ask_for_the_keys_again_and_again(provider: Simulated, door: Door) -> None:
    adapter = door.adapter()
    adapter.identify(attempt(), door.come_back(adapter, "u-jane", attempt()))
    provider.provider.keys.rotate()
    provider.provider.keys.rotate()
    with pytest.raises(IdentityRefused, match="a key that"):
        adapter.identify(attempt(2), door.come_back(adapter, "u-jane", attempt(2)))


def test_a_key_that_was_taken_back_proves_nothing_any_more(provider: Simulated, door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "KEPT_FOR", timedelta(0))
    adapter = door.adapter()
    answer = door.come_back(adapter, "u-jane", attempt())
    signed = provider.provider.keys.signed

    def by_the_old_key(claims: dict[str, object], lie: Lie | None, secret: str | None) -> str:
        token = signed(claims, lie, secret)  # type: ignore[arg-type]  # the same values
        provider.provider.keys.rotate()
        provider.provider.keys.rotate()
        return token

    monkeypatch.setattr(provider.provider.keys, "signed", by_the_old_key)
    with pytest.raises(IdentityRefused, match="a key that"):
        adapter.identify(attempt(), answer)


@pytest.mark.parametrize(("late", "good"), [(-CLOCKS_DIFFER, True), (-CLOCKS_DIFFER - timedelta(seconds=5), False)])
def test_the_provider_s_clock_may_be_a_little_ahead(door: Door, late: timedelta, *, good: bool) -> None:
    check_clock(door, late + timedelta(seconds=2), good=good)


@pytest.mark.parametrize(("late", "good"), [(LIFETIME + CLOCKS_DIFFER - timedelta(seconds=5), True), (LIFETIME + CLOCKS_DIFFER + timedelta(seconds=1), False)])
def test_an_identity_ends(door: Door, late: timedelta, *, good: bool) -> None:
    check_clock(door, late, good=good)


def check_clock(door: Door, late: timedelta, *, good: bool) -> None:
    """The token is made now, and looked at by a clock that shows something else."""
    adapter = door.adapter()
    answer = door.come_back(adapter, "u-jane", attempt())
    running = door.running
    assert isinstance(running, Simulated)
    signed = running.provider.keys.signed
    moment = now() + late

    with pytest.MonkeyPatch.context() as patched, time_machine.travel(moment, tick=True) as clock:

        def now_and_then(claims: dict[str, object], lie: Lie | None, secret: str | None) -> str:
            claims["iat"] = int((moment - late).timestamp())
            claims["exp"] = int((moment - late + LIFETIME).timestamp())
            return signed(claims, lie, secret)  # type: ignore[arg-type]  # the same values

        patched.setattr(running.provider.keys, "signed", now_and_then)
        del clock
        if good:
            assert adapter.identify(attempt(), answer).subject == "u-jane"
        else:
            with pytest.raises(IdentityRefused):
                adapter.identify(attempt(), answer)


def test_the_simulator_writes_down_what_no_well_made_client_asks(provider: Simulated, door: Door) -> None:
    good = door.adapter().sign_in_url(attempt())
    for bad in (
        good.replace("S256", "plain"),
        good.replace("response_type=code", "response_type=token"),
        good.replace("openid+", ""),
        good.replace(attempt().state, "x"),
        good.replace(attempt().nonce, ""),
        good.replace(attempt().nonce, attempt().state),
    ):
        assert bad != good
        assert httpx.get(bad, trust_env=False).status_code == 400, bad
    assert len(provider.provider.violations) == 6
    answer = door.come_back(door.adapter(), "u-jane", attempt())
    with pytest.raises(ProviderRefused):
        door.adapter().identify(replace(attempt(), verifier="short"), answer)
    assert REDIRECT_URI not in str(provider.provider.violations)
