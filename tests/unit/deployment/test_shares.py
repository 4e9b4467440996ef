"""The shares of a canary: of the members, and, rolling, of the replicas."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unioneyes.kernel.problems import BadInput
from unioneyes.operations.deployment.model import DeployRequest, Strategy
from unioneyes.operations.deployment.shares import CANARY_PART, canary_bake_of, manner, new_replicas, shares_of

BAKE = timedelta(minutes=10)


def rolling(*canary: int, hold: bool = False) -> DeployRequest:
    return DeployRequest(version="1.1.0", strategy=Strategy.ROLLING, canary=canary, hold=hold)


@pytest.mark.parametrize(
    ("canary", "count", "shares"), [((), 2, (33,)), ((), 1, (50,)), ((10, 50), 3, (25, 50)), ((10, 20), 2, (33,)), ((90,), 3, (75,)), ((99,), 4, (80,))]
)
def test_a_share_is_what_whole_replicas_get(canary: tuple[int, ...], count: int, shares: tuple[int, ...]) -> None:
    assert shares_of(rolling(*canary), count) == shares


@given(part=st.integers(min_value=1, max_value=90), count=st.integers(min_value=1, max_value=90))
def test_the_share_that_a_plan_names_is_again_the_same_number_of_replicas(part: int, count: int) -> None:
    (share,) = shares_of(rolling(max(1, round(100 * min(part, count) / (count + 1)))), count)
    assert new_replicas(share, count) == min(part, count)


@given(share=st.integers(min_value=1, max_value=99), count=st.integers(min_value=1, max_value=500))
def test_at_least_one_replica_is_new_and_at_least_one_old(share: int, count: int) -> None:
    assert 1 <= new_replicas(share, count) <= count


def test_with_blue_green_a_share_is_what_was_asked_for() -> None:
    assert shares_of(DeployRequest(version="1.1.0", canary=(10, 50)), 2) == (10, 50)
    assert shares_of(DeployRequest(version="1.1.0"), 2) == ()


def test_rolling_is_watched_after_its_first_replica_also_where_nobody_asked_for_shares() -> None:
    assert canary_bake_of(rolling(), BAKE, "1.0.0") == BAKE / CANARY_PART
    assert canary_bake_of(DeployRequest(version="1.1.0"), BAKE, "1.0.0") == timedelta(0)


def test_a_first_release_has_nothing_to_roll() -> None:
    with pytest.raises(BadInput, match="the first release has no replicas"):
        canary_bake_of(rolling(), BAKE, None)


def test_the_summary_says_how_it_goes_out() -> None:
    assert manner(rolling()) == "rolling"
    assert manner(rolling(hold=True)) == "rolling, held after each share"
    assert manner(rolling(10, 50)) == "rolling, canary 10 %, 50 %"
    assert manner(DeployRequest(version="1.1.0", canary=(10,), hold=True)) == "canary 10 %, held after each share"
