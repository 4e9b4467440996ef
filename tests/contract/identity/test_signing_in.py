"""The contract of an identity provider, on the simulator and on a certified one."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest

from tests.contract.identity.conftest import PEOPLE, READING, SIGNED_OUT_URI, Door, attempt
from unioneyes.kernel.access import Role
from unioneyes.ports.identity import Answer, IdentityRefused, ProviderRefused


def test_somebody_comes_in_with_a_name_and_the_roles_of_their_groups(door: Door) -> None:
    adapter = door.adapter()
    found = adapter.identify(attempt(), door.come_back(adapter, "u-jane", attempt()))
    assert (found.issuer, found.subject, found.name) == (door.running.url, "u-jane", "jane.doe")
    assert found.groups == ("platform", "staff")
    assert found.roles == {Role.OPERATOR, Role.RELEASE_APPROVER}


@pytest.mark.parametrize("person", ["u-otto", "u-nina"])
def test_nobody_has_a_role_that_no_group_of_theirs_brings(door: Door, person: str) -> None:
    adapter = door.adapter()
    assert adapter.identify(attempt(), door.come_back(adapter, person, attempt())).roles == set()


def test_a_code_is_good_once(door: Door) -> None:
    adapter = door.adapter()
    answer = door.come_back(adapter, "u-jane", attempt())
    adapter.identify(attempt(), answer)
    with pytest.raises(ProviderRefused, match="invalid_grant"):
        adapter.identify(attempt(), answer)


def test_a_code_that_somebody_took_along_gets_them_nothing(door: Door) -> None:
    adapter = door.adapter()
    answer = door.come_back(adapter, "u-jane", attempt())
    with pytest.raises(ProviderRefused, match="invalid_grant"):
        adapter.identify(replace(attempt(), verifier=attempt(2).verifier), answer)


def test_an_identity_is_for_the_sign_in_that_it_was_made_for(door: Door) -> None:
    adapter = door.adapter()
    answer = door.come_back(adapter, "u-jane", attempt())
    with pytest.raises(IdentityRefused, match="another sign-in"):
        adapter.identify(replace(attempt(), nonce=attempt(2).nonce), answer)


def test_an_answer_in_another_provider_s_name_is_none(door: Door) -> None:
    adapter = door.adapter()
    answer = door.come_back(adapter, "u-jane", attempt())
    for issuer in ("https://another.example", None):
        with pytest.raises(IdentityRefused, match="and not by"):
            adapter.identify(attempt(), replace(answer, issuer=issuer))


def test_a_no_is_told_in_the_provider_s_words(door: Door) -> None:
    adapter = door.adapter()
    no = Answer(issuer=door.running.url, error="access_denied", description="the person\n\x1b[31msaid no")
    with pytest.raises(ProviderRefused, match=r"refuses: access_denied: the person \[31msaid no"):
        adapter.identify(attempt(), no)
    with pytest.raises(ProviderRefused, match="it sent no code"):
        adapter.identify(attempt(), Answer(issuer=door.running.url))


def test_a_code_that_nobody_gave_is_refused(door: Door) -> None:
    adapter = door.adapter()
    answer = door.come_back(adapter, "u-jane", attempt())
    with pytest.raises(ProviderRefused, match="invalid_grant"):
        adapter.identify(attempt(), replace(answer, code="made-up"))


def test_a_client_with_the_wrong_secret_is_refused_and_so_is_a_public_one_with_any(door: Door) -> None:
    adapter = door.adapter(secret="guessed")
    answer = door.come_back(adapter, "u-jane", attempt())
    with pytest.raises(ProviderRefused, match="invalid_client"):
        adapter.identify(attempt(), answer)


def test_the_browser_is_sent_back_to_the_registered_address_alone(door: Door) -> None:
    for elsewhere in ("http://127.0.0.1:8180/login/callback/", "http://127.0.0.1:9/login/callback", "http://localhost:8180/login/callback"):
        asked = httpx.get(door.adapter(redirect_uri=elsewhere).sign_in_url(attempt()), trust_env=False)
        assert asked.status_code == 400, elsewhere
        assert "location" not in asked.headers


def test_a_verified_e_mail_address_may_be_the_name_and_an_unverified_one_may_not(door: Door) -> None:
    adapter = door.adapter(reading=replace(READING, name_claim="email"))
    assert adapter.identify(attempt(), door.come_back(adapter, "u-jane", attempt())).name == PEOPLE["u-jane"]["email"]
    for person in ("u-otto", "u-nina"):
        answer = door.come_back(adapter, person, attempt())
        with pytest.raises(IdentityRefused, match="never verified"):
            adapter.identify(attempt(), answer)


def test_whoever_signs_out_here_can_sign_out_there_and_comes_back(door: Door) -> None:
    adapter = door.adapter()
    found = adapter.identify(attempt(), door.come_back(adapter, "u-jane", attempt()))
    url = adapter.sign_out_url(found.proof)
    assert url is not None
    assert door.running.signed_out(url).partition("?")[0] == SIGNED_OUT_URI
