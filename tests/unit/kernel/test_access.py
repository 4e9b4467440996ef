"""Roles and the rights that they bring."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unioneyes.kernel.access import RIGHTS, NotAllowed, Person, Right, Role, UnusableName, require_name
from unioneyes.kernel.problems import ExitCode

some_roles = st.frozensets(st.sampled_from(Role))


@given(some_roles, st.sampled_from(Right))
def test_a_person_may_what_one_of_the_roles_brings_and_nothing_else(roles: frozenset[Role], right: Right) -> None:
    person = Person(name="jane", roles=roles)
    if any(right in RIGHTS[role] for role in roles):
        person.require(right)
    else:
        with pytest.raises(NotAllowed, match="jane may not do this") as refused:
            person.require(right)
        assert refused.value.exit_code is ExitCode.NOT_AUTHORISED
        assert refused.value.http_status == 403


def test_whoever_holds_no_role_may_nothing() -> None:
    assert not any(Person(name="nobody", roles=frozenset()).may(right) for right in Right)


def test_every_role_reads_and_only_operators_run_every_built_in_runbook() -> None:
    assert all(Right.READ in RIGHTS[role] for role in Role)
    assert [role for role in Role if Right.OPERATE in RIGHTS[role]] == [Role.OPERATOR, Role.HOST_OPERATOR]


def test_an_operator_runs_no_code_that_the_request_brings_along() -> None:
    assert [role for role in Role if Right.EXECUTE in RIGHTS[role]] == [Role.HOST_OPERATOR, Role.ADMIN]


def test_who_says_who_may_come_in_does_not_run_the_platform_by_it() -> None:
    assert RIGHTS[Role.ADMIN] == {Right.READ, Right.OVERSEE, Right.ADMINISTER, Right.EXECUTE}


def test_who_may_come_in_is_seen_by_those_who_say_so_and_by_auditors() -> None:
    assert {role for role in Role if Right.OVERSEE in RIGHTS[role]} == {Role.ADMIN, Role.AUDITOR}


def test_an_auditor_changes_nothing() -> None:
    assert RIGHTS[Role.AUDITOR] == {Right.READ, Right.AUDIT, Right.OVERSEE}


@pytest.mark.parametrize("name", ["engine", "api", "console", "worker-20260209-143000-k7m2q", "", "a b", "Jane", "x" * 64, "jane\n", ".jane"])
def test_nobody_is_called_as_the_program_is_nor_what_cannot_be_told_apart(name: str) -> None:
    with pytest.raises(UnusableName):
        require_name(name)


@pytest.mark.parametrize("name", ["jane", "jane.doe@example.org", "7", "x" * 63, "engineer", "worker"])
def test_everybody_else_keeps_their_name(name: str) -> None:
    assert require_name(name) == name


def test_a_refusal_names_who_could() -> None:
    with pytest.raises(NotAllowed) as refused:
        Person(name="jane", roles=frozenset({Role.VIEWER})).require(Right.RESPOND)
    assert "viewer does not bring it" in refused.value.what
    assert "responder or operator or host-operator" in refused.value.remedy
