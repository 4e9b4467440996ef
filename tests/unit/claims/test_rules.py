from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unioneyes.claims.model import ClaimStatus, Priority, Role
from unioneyes.claims.problems import RoleTooLow, TransitionRefused
from unioneyes.claims.rules import TRANSITIONS, check_may_decide, check_transition, deadline, is_synthetic, status_once_assigned

STATES = st.sampled_from(ClaimStatus)

DOCUMENTED = """
submitted -> under_review | assigned | rejected
under_review -> investigation | pending_documentation | resolved | rejected | assigned
assigned -> investigation | under_review | pending_documentation
investigation -> pending_documentation | under_review | resolved | rejected
pending_documentation -> under_review | investigation | resolved
resolved -> closed
rejected -> closed
"""


def test_the_transitions_are_the_documented_ones() -> None:
    documented = {(line.split(" -> ")[0], to) for line in DOCUMENTED.strip().splitlines() for to in line.split(" -> ")[1].split(" | ")}
    assert {(status, to) for status, allowed in TRANSITIONS.items() for to in allowed} == documented


@given(STATES, STATES)
def test_a_transition_is_allowed_or_refused_with_exactly_what_is_allowed(status: ClaimStatus, to: ClaimStatus) -> None:
    if to in TRANSITIONS[status]:
        check_transition(status, to)
    else:
        with pytest.raises(TransitionRefused) as refusal:
            check_transition(status, to)
        assert refusal.value.allowed == TRANSITIONS[status]
        assert refusal.value.document()["allowed"] == list(TRANSITIONS[status])


@given(st.lists(STATES, max_size=30))
def test_no_walk_leaves_closed_and_none_returns_to_submitted(wishes: list[ClaimStatus]) -> None:
    status = ClaimStatus.SUBMITTED
    for to in wishes:
        if to in TRANSITIONS[status]:
            assert status is not ClaimStatus.CLOSED
            assert to is not ClaimStatus.SUBMITTED
            status = to


@given(STATES)
def test_every_state_can_still_be_closed(status: ClaimStatus) -> None:
    reachable = {status}
    for _ in ClaimStatus:
        reachable |= {to for state in reachable for to in TRANSITIONS[state]}
    assert ClaimStatus.CLOSED in reachable


@given(STATES)
def test_assigning_never_makes_a_move_that_the_table_forbids(status: ClaimStatus) -> None:
    try:
        after = status_once_assigned(status)
    except TransitionRefused:
        assert status in {ClaimStatus.RESOLVED, ClaimStatus.REJECTED, ClaimStatus.CLOSED}
    else:
        assert after == status or after in TRANSITIONS[status]


@given(st.sampled_from(Role))
def test_everybody_but_a_plain_member_decides(role: Role) -> None:
    if role is Role.MEMBER:
        with pytest.raises(RoleTooLow):
            check_may_decide(role)
    else:
        check_may_decide(role)


@given(st.dates(max_value=date(9000, 1, 1)))
def test_what_presses_more_is_answered_sooner(submitted: date) -> None:
    days = [deadline(priority, submitted=submitted) for priority in (Priority.CRITICAL, Priority.HIGH, Priority.MEDIUM, Priority.LOW)]
    assert days == sorted(set(days))
    assert days[0] - submitted == timedelta(days=2)


def test_synthetic_organizations_are_told_apart_by_their_name() -> None:
    assert is_synthetic("org_synthetic_a")
    assert not is_synthetic("org_syntheticists_local_7")
