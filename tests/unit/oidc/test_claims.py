"""What a provider's claims make of somebody."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from unioneyes.adapters.oidc.claims import Reading, claim
from unioneyes.adapters.oidc.provider import challenge
from unioneyes.kernel.access import Role, UnusableName
from unioneyes.ports.identity import IdentityRefused

ROLES = {"platform": frozenset({Role.OPERATOR}), "security": frozenset({Role.SECURITY_APPROVER, Role.AUDITOR})}
READING = Reading(name_claim="preferred_username", roles_claim="realm_access.roles", roles=ROLES)
JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)


@pytest.mark.parametrize(
    ("claims", "path", "found"),
    [
        ({"groups": ["a"]}, "groups", ["a"]),
        ({"realm_access": {"roles": ["a"]}}, "realm_access.roles", ["a"]),
        ({"https://example.org/roles": ["a"]}, "https://example.org/roles", ["a"]),
        ({"a.b": 1, "a": {"b": 2}}, "a.b", 1),
        ({"a": {"b": 2}}, "a.c", None),
        ({"a": "b"}, "a.b", None),
        ({}, "a", None),
    ],
)
def test_dots_lead_inwards_unless_a_claim_is_called_so(claims: dict[str, JsonValue], path: str, found: JsonValue) -> None:
    assert claim(claims, path) == found


@pytest.mark.parametrize(
    ("said", "groups"),
    [
        (["platform", "x"], ("platform", "x")),
        ("platform", ("platform",)),
        (["platform", 7, None, {"a": 1}], ("platform",)),
        (7, ()),
        (None, ()),
        ({"platform": True}, ()),
    ],
)
def test_groups_are_texts(said: JsonValue, groups: tuple[str, ...]) -> None:
    assert READING.groups({"realm_access": {"roles": said}}) == groups


@given(JSON)
def test_nothing_that_a_provider_says_brings_a_role_that_the_settings_do_not_give(said: JsonValue) -> None:
    groups = READING.groups({"realm_access": {"roles": said}})
    assert READING.brought(groups) == frozenset(role for group in groups if group in ROLES for role in ROLES[group])


@pytest.mark.parametrize("group", ["Platform", " platform", "platform ", "plat", "operator", "admin", ""])
def test_a_group_that_only_looks_alike_brings_nothing(group: str) -> None:
    assert READING.brought((group,)) == frozenset()


def test_a_name_is_in_lower_case_and_one_that_journals_can_tell_apart() -> None:
    assert READING.name({"preferred_username": "Jane.Doe@Example.org"}) == "jane.doe@example.org"
    for unusable in ("engine", "worker-1", "Jane Doe", "jane\n", "ünal", "x" * 64):
        with pytest.raises(UnusableName):
            READING.name({"preferred_username": unusable})
    unnamed: tuple[JsonValue, ...] = (None, "", 7, ["jane"])
    for missing in unnamed:
        with pytest.raises(IdentityRefused):
            READING.name({"preferred_username": missing})


@pytest.mark.parametrize(("verified", "counts"), [(True, True), ("true", True), (False, False), ("false", False), (None, False), (1.5, False)])
def test_an_e_mail_address_counts_where_the_provider_verified_it(verified: JsonValue, counts: bool) -> None:  # noqa: FBT001 - a parameter of the test
    reading = Reading(name_claim="email", roles_claim="email", roles={"jane@example.org": frozenset({Role.ADMIN})})
    claims: dict[str, JsonValue] = {"email": "jane@example.org", "email_verified": verified}
    if counts:
        assert (reading.name(claims), reading.groups(claims)) == ("jane@example.org", ("jane@example.org",))
    else:
        for read in (reading.name, reading.groups):
            with pytest.raises(IdentityRefused):
                read(claims)


def test_the_provider_is_asked_for_more_where_something_is_missing_and_only_there() -> None:
    reading = Reading(name_claim="email", roles_claim="groups", roles=ROLES)
    whole: dict[str, JsonValue] = {"email": "jane@example.org", "email_verified": False, "groups": []}
    assert not reading.missing(whole)
    for left_out in whole:
        assert reading.missing({name: value for name, value in whole.items() if name != left_out}), left_out
    assert not READING.missing({"preferred_username": "jane", "realm_access": {"roles": []}})


def test_the_challenge_is_that_of_the_standard_s_example() -> None:
    assert challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "RFC 7636, appendix B"
