"""One broken route or tenant that the average hides: seen, compared, and never held against a release by luck or by a fault outside."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from unioneyes.operations.deployment.comparison import Counts
from unioneyes.operations.deployment.model import RollBack
from unioneyes.operations.deployment.slices import Slice, Slices
from unioneyes.operations.deployment.verdict import Look, Seen, Tally, Watch
from unioneyes.ports.replicas import SliceKind

START = datetime(2026, 2, 9, 14, 30, tzinfo=UTC)
HALF_A_SECOND = timedelta(milliseconds=500)
SELDOM = Slice(kind=SliceKind.ROUTE, name="POST /api/claims/{claim_id}/assign")
OFTEN = Slice(kind=SliceKind.ROUTE, name="GET /api/claims")
SMALL = Slice(kind=SliceKind.TENANT, name="org_small")
FINE: Counts = (0, 500)
COUNTS = st.integers(0, 20).flatmap(lambda answers: st.tuples(st.integers(0, answers), st.just(answers)))


def watched(
    looks: int, *, new: Counts, beside: Counts = (0, 0), before: Counts = FINE, whole_errors: int = 0, split: bool = False, part: Slice = SELDOM
) -> Watch:
    """A watch of fifty requests a look, of which `new` are those of one slice; the old version is probed five times a look."""
    watch = Watch()
    for number in range(looks):
        old = Seen(tally=Tally(answers=5, errors=whole_errors), slices={part: beside}, before={part: before} if number == 0 else {})
        seen = Seen(tally=Tally(answers=50, errors=new[0]), slices={part: new, OFTEN: (0, 50 - new[1])})
        watch.see(Look(at=START + number * HALF_A_SECOND, new=seen, old=old, split=split))
    return watch


def test_a_seldom_route_that_always_fails_goes_back_although_only_two_in_a_hundred_fail() -> None:
    verdict = watched(20, new=(1, 1)).rolls_back()
    assert isinstance(verdict, RollBack)
    assert verdict.reason.startswith("route POST /api/claims/{claim_id}/assign: 100.0 %")
    assert "0.0 % of the old one's 500 before the switch" in verdict.reason
    assert "can't be known" in verdict.reason


def test_a_broken_tenant_is_named_by_its_identifier() -> None:
    verdict = watched(20, new=(1, 1), part=SMALL).rolls_back()
    assert isinstance(verdict, RollBack)
    assert verdict.reason.startswith("tenant org_small: ")


def test_what_failed_before_the_switch_as_well_convicts_nobody() -> None:
    assert watched(60, new=(1, 1), before=(400, 500)).rolls_back() is None


def test_a_part_that_failed_a_little_above_the_limit_before_is_no_excuse_for_one_that_fails_half_the_time() -> None:
    assert isinstance(watched(40, new=(1, 2), before=(10, 185)).rolls_back(), RollBack)
    assert watched(40, new=(1, 10), before=(20, 185)).rolls_back() is None


def test_one_failure_of_a_handful_before_the_switch_excuses_nobody() -> None:
    verdict = watched(20, new=(1, 1), before=(1, 8)).rolls_back()
    assert isinstance(verdict, RollBack)
    assert "12.5 % of the old one's 8 before the switch" in verdict.reason


def test_what_was_never_asked_before_convicts_and_the_reason_says_that_it_can_not_be_compared() -> None:
    verdict = watched(20, new=(1, 1), before=(0, 0)).rolls_back()
    assert isinstance(verdict, RollBack)
    assert "never asked" in verdict.reason


def test_while_both_get_members_the_old_version_s_same_seconds_decide() -> None:
    assert isinstance(watched(30, new=(1, 1), beside=(0, 2), split=True).rolls_back(), RollBack)
    assert watched(60, new=(1, 1), beside=(2, 2), split=True).rolls_back() is None
    assert watched(60, new=(1, 1), beside=(0, 0), split=True).rolls_back() is None


def test_a_fault_outside_that_the_old_version_s_probes_feel_convicts_no_slice() -> None:
    assert watched(60, new=(1, 1), whole_errors=5).rolls_back() is None


def after_a_fault_outside(*, quiet: Counts, looks: int = 400) -> Slices:
    """A fault outside takes ten seconds in which both fail half of all; then all is well, and of the small tenant `quiet` comes in each look."""
    slices = Slices(limit=0.05)
    for _ in range(20):
        slices.see(new={SMALL: (2, 4), OFTEN: (20, 40)}, beside={}, before={SMALL: FINE, OFTEN: FINE}, whole=(5, 10), split=False)
    for _ in range(looks):
        slices.see(new={OFTEN: (0, 40)} if quiet == (0, 0) else {SMALL: quiet, OFTEN: (0, 40)}, beside={}, before={}, whole=(0, 10), split=False)
        assert list(slices.convicted()) == []
    return slices


def test_a_tenant_that_leaves_in_the_middle_of_a_fault_outside_convicts_nobody_although_the_old_version_does_well_afterwards() -> None:
    after_a_fault_outside(quiet=(0, 0))


def test_a_tenant_that_hardly_comes_any_more_after_a_fault_outside_convicts_nobody() -> None:
    after_a_fault_outside(quiet=(0, 1))


def test_looks_without_a_reading_are_compared_with_the_reading_that_follows() -> None:
    """The old version's probes come in each look, the new one's slices in every second: what it answered between two readings counts, once."""
    slices = Slices(limit=0.05)
    for number in range(60):
        read = number % 2 == 1
        slices.see(new={SMALL: (2, 2)} if read else None, beside={}, before={SMALL: FINE}, whole=(0, 5), split=False)
    assert len(list(slices.convicted())) == 1
    asked = slices.suspects[SMALL].comparison
    assert asked.old[1] == 5 * (asked.new[1] + 2), "the reading that raised the suspicion counts for the old version only"


def test_a_handful_of_failures_convicts_no_slice() -> None:
    watch = Watch()
    for number in range(4):
        watch.see(
            Look(at=START + number * HALF_A_SECOND, new=Seen(tally=Tally(answers=50, errors=1), slices={SELDOM: (1, 1)}), old=Seen(tally=Tally(answers=5)))
        )
    assert watch.rolls_back() is None


def test_many_healthy_slices_convict_none_in_ten_minutes() -> None:
    """Five hundred tenants that each fail one request in a hundred, by luck in clusters: no slice is above what is allowed."""
    chance = random.Random(1)
    slices = Slices(limit=0.05)
    tenants = [Slice(kind=SliceKind.TENANT, name=f"org_{number}") for number in range(200)]
    for _ in range(300):
        asked = [(tenant, chance.randint(1, 5)) for tenant in chance.sample(tenants, 50)]
        new = {tenant: (sum(chance.random() < 0.01 for _ in range(answers)), answers) for tenant, answers in asked}
        slices.see(new=new, beside={}, before={}, whole=(0, 5), split=False)
        assert list(slices.convicted()) == []


@given(st.lists(COUNTS, min_size=1, max_size=40))
@settings(max_examples=60)
def test_a_slice_that_the_old_version_nearly_always_failed_in_too_never_convicts(looks: list[Counts]) -> None:
    slices = Slices(limit=0.05)
    for new in looks:
        slices.see(new={SMALL: new}, beside={}, before={SMALL: (90, 100)}, whole=(0, 5), split=False)
        assert list(slices.convicted()) == []


@given(st.lists(COUNTS, min_size=5, max_size=40), st.integers(0, 4))
@settings(max_examples=60)
def test_more_failures_of_a_slice_never_acquit_it(looks: list[Counts], at: int) -> None:
    """One more request of the slice in the last looks that failed, and not one that was answered, leaves it at least as suspect."""
    fewer, more = Slices(limit=0.05), Slices(limit=0.05)
    for number, (failures, answers) in enumerate(looks):
        worse = min(answers, failures + 1) if number >= len(looks) - 1 - at else failures
        for slices, failed in ((fewer, failures), (more, worse)):
            slices.see(new={SMALL: (failed, answers)}, beside={}, before={}, whole=(0, 5), split=False)
    if SMALL in fewer.suspects:
        assert more.suspects[SMALL].comparison.detector.magnitude >= fewer.suspects[SMALL].comparison.detector.magnitude - 1e-9


def test_counts_that_can_not_be_are_no_reason_to_end_a_watch() -> None:
    """A replica that was started again may have counted more failures than answers beyond its last reading."""
    slices = Slices(limit=0.05)
    for _ in range(20):
        slices.see(new={SMALL: (5, 2)}, beside={}, before={}, whole=(0, 10), split=False)
        list(slices.convicted())
