"""The watch's verdict: keep, roll back, or not enough data."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unioneyes.operations.deployment.comparison import share
from unioneyes.operations.deployment.evidence import evidence
from unioneyes.operations.deployment.model import Keep, NotEnoughData, RollBack, Verdict
from unioneyes.operations.deployment.verdict import Look, Seen, Tally, Watch, exceeds_error_rate, exceeds_slow_share

START = datetime(2026, 2, 9, 14, 30, tzinfo=UTC)
HALF_A_SECOND = timedelta(milliseconds=500)
PROBES_A_LOOK = 5
FINE = Seen(tally=Tally(answers=PROBES_A_LOOK))


def watched(looks: int, *, new: Seen, old: Seen | None = FINE, every: timedelta = HALF_A_SECOND) -> Watch:
    watch = Watch()
    for number in range(looks):
        watch.see(Look(at=START + number * every, new=new, old=old))
    return watch


def seen(answers: int, *, errors: int = 0, slow: int = 0) -> Seen:
    return Seen(tally=Tally(answers=answers, errors=errors, slow=slow))


def looks_until_rolled_back(chance: random.Random, *, good_looks: int, new_fails: float, old_fails: float, rate: int, looks: int = 60) -> int | None:
    """Return after how many looks a fault that begins after some good ones rolls back; None when it never does."""
    watch = Watch()
    for number in range(good_looks + looks):
        begun = number >= good_looks

        def tally(answers: int, fails: float, *, begun: bool = begun) -> Seen:
            return seen(answers, errors=sum(begun and chance.random() < fails for _ in range(answers)))

        watch.see(Look(at=START + number * HALF_A_SECOND, new=tally(rate // 2, new_fails), old=tally(PROBES_A_LOOK, old_fails)))
        if watch.rolls_back():
            return number - good_looks + 1
    return None


def test_a_release_that_fails_every_fifth_request_goes_back_within_seconds() -> None:
    took = [looks_until_rolled_back(random.Random(seed), good_looks=20, new_fails=0.2, old_fails=0, rate=50) for seed in range(20)]
    assert all(looks is not None and looks <= 20 for looks in took), took


@pytest.mark.parametrize("fails", [1.0, 0.5, 0.3, 0.15])
@pytest.mark.parametrize("rate", [10, 30, 100])
@pytest.mark.parametrize("good_looks", [0, 1, 40, 300])
def test_a_fault_outside_that_hits_both_alike_never_rolls_back_whenever_it_begins(fails: float, rate: int, good_looks: int) -> None:
    for seed in range(5):
        assert looks_until_rolled_back(random.Random(seed), good_looks=good_looks, new_fails=fails, old_fails=fails, rate=rate) is None


def test_a_fault_outside_is_named_when_the_watch_ends() -> None:
    verdict = watched(40, new=seen(50, errors=25), old=seen(4, errors=2)).concludes(blind=False)
    assert isinstance(verdict, Keep)
    assert "outside" in verdict.reason


def test_nothing_heard_of_the_old_version_spares_it_of_nothing() -> None:
    assert watched(40, new=seen(50, errors=50), old=seen(0)).rolls_back() is None


def test_a_first_release_has_nothing_beside_it_and_is_judged_alone() -> None:
    assert isinstance(watched(10, new=seen(50, errors=10), old=None).rolls_back(), RollBack)


def test_a_release_that_fails_none_stays() -> None:
    watch = watched(20, new=seen(50))
    assert watch.rolls_back() is None
    assert isinstance(watch.concludes(blind=False), Keep)


def test_slow_answers_roll_back() -> None:
    verdict = watched(20, new=seen(50, slow=15)).rolls_back()
    assert isinstance(verdict, RollBack)
    assert verdict.reason.startswith("slow")


def test_a_p99_above_the_limit_is_seen_at_the_end_even_where_the_detector_was_not_sure() -> None:
    watch = watched(1, new=seen(300, slow=6))
    assert watch.rolls_back() is None
    assert isinstance(watch.concludes(blind=False), RollBack)


def test_the_document_s_limits_are_strict() -> None:
    assert not exceeds_error_rate(Tally(answers=1000, errors=50))
    assert exceeds_error_rate(Tally(answers=1000, errors=51))
    assert not exceeds_slow_share(Tally(answers=1000, slow=10))
    assert exceeds_slow_share(Tally(answers=1000, slow=11))


@given(st.integers(min_value=0, max_value=4), st.integers(min_value=0, max_value=100))
def test_a_handful_of_failures_is_never_a_fault(errors: int, more: int) -> None:
    assert not exceeds_error_rate(Tally(answers=errors + more, errors=errors))


def test_just_above_the_limit_over_five_minutes_rolls_back() -> None:
    assert isinstance(watched(301, new=seen(1000, errors=51), every=timedelta(seconds=1)).rolls_back(), RollBack)


def test_exactly_the_limit_over_five_minutes_stays() -> None:
    assert watched(301, new=seen(1000, errors=50), every=timedelta(seconds=1)).rolls_back() is None


def test_a_fault_outside_at_the_limit_s_edge_over_five_minutes_rolls_back_nothing() -> None:
    watch = watched(31, new=seen(1000, errors=51), old=seen(1000, errors=49), every=timedelta(seconds=10))
    assert watch.rolls_back() is None


def test_a_slow_fault_outside_at_the_limit_s_edge_is_named_when_the_watch_ends() -> None:
    verdict = watched(1, new=seen(10_000, slow=110), old=seen(1_000, slow=9)).concludes(blind=False)
    assert isinstance(verdict, Keep)
    assert "outside" in verdict.reason


def test_a_rush_of_members_during_a_fault_outside_does_not_roll_back() -> None:
    watch = Watch()
    for number in range(700):
        hit = number >= 600
        watch.see(Look(at=START + number * HALF_A_SECOND, new=seen(100 if hit else 6, errors=10 * hit), old=seen(10, errors=int(hit))))
        assert watch.rolls_back() is None


def test_errors_in_the_logs_are_not_believed_before_there_are_many() -> None:
    assert watched(1, new=Seen(tally=Tally(answers=72), log_errors=6)).rolls_back() is None


def test_a_log_that_was_rotated_says_nothing() -> None:
    watch = watched(1, new=Seen(tally=Tally(answers=50), log_errors=2))
    watch.see(Look(at=START + HALF_A_SECOND, new=Seen(tally=Tally(answers=50), log_errors=0), old=FINE))
    assert watch.rolls_back() is None


def test_one_bad_health_report_at_the_end_is_no_verdict_yet() -> None:
    watch, told = watched(20, new=seen(50)), []
    for second, healthy in enumerate((True, False, True), start=10):
        watch.see(Look(at=START + timedelta(seconds=second), new=Seen(healthy=healthy), old=FINE))
        told.append(watch.can_tell)
    assert told == [True, False, True]


def test_two_bad_health_reports_are_forgiven_and_three_are_not() -> None:
    well = replace(FINE, healthy=True)
    assert watched(2, new=Seen(healthy=False), old=well).rolls_back() is None
    assert isinstance(watched(3, new=Seen(healthy=False), old=well).rolls_back(), RollBack)


def test_a_version_whose_probes_crawl_excuses_the_one_that_carries_the_members_and_fails() -> None:
    """What is outside is slow: the members' version has nobody free any more, and says so; the other one, with its few probes, only waits."""
    crawls, hangs = (replace(FINE, tally=replace(FINE.tally, **{how: PROBES_A_LOOK}), healthy=True) for how in ("hampered", "slow"))
    for fails in (Seen(tally=Tally(answers=50, errors=30)), Seen(tally=Tally(answers=50, slow=30)), Seen(healthy=False)):
        assert watched(20, new=fails, old=crawls).rolls_back() is None
        assert watched(20, new=fails, old=hangs).rolls_back() is None
        assert isinstance(watched(20, new=fails, old=replace(FINE, healthy=True)).rolls_back(), RollBack)


def test_probes_that_crawl_excuse_over_minutes_and_at_the_end_and_in_the_logs_too() -> None:
    crawls = Seen(tally=Tally(answers=PROBES_A_LOOK, hampered=PROBES_A_LOOK), healthy=True, log_errors=0)
    watch = watched(620, new=Seen(tally=Tally(answers=50, errors=30), log_errors=30), old=crawls)
    assert watch.window_is_full()
    assert watch.rolls_back() is None
    assert isinstance(watch.concludes(blind=False), Keep)


def test_probes_that_crawl_before_the_suspicion_do_not_excuse_what_fails_now() -> None:
    watch = watched(20, new=FINE, old=Seen(tally=Tally(answers=PROBES_A_LOOK, hampered=PROBES_A_LOOK)))
    for number in range(20, 40):
        watch.see(Look(at=START + number * HALF_A_SECOND, new=seen(50, errors=30), old=FINE))
    assert isinstance(watch.rolls_back(), RollBack)


def test_in_the_burst_that_raises_the_suspicion_the_old_version_is_heard() -> None:
    """A lock is given up: all that waited is answered at once, the old version's few probes in one look, the members' answers in two."""
    watch = watched(10, new=seen(20), old=FINE)
    burst = Look(at=START + 10 * HALF_A_SECOND, new=seen(40, slow=40), old=Seen(tally=Tally(answers=30, slow=10, hampered=28)))
    watch.see(burst)
    watch.see(Look(at=START + 11 * HALF_A_SECOND, new=seen(40, slow=30), old=FINE))
    assert watch.rolls_back() is None


def test_bad_health_of_both_is_a_fault_outside() -> None:
    assert watched(10, new=Seen(healthy=False), old=Seen(healthy=False)).rolls_back() is None


def test_bad_health_waits_for_what_the_old_version_says_of_the_same_seconds() -> None:
    assert watched(10, new=Seen(healthy=False), old=Seen(healthy=None)).rolls_back() is None


def test_replicas_that_keep_ending_roll_back_unless_the_old_ones_do_too() -> None:
    assert watched(1, new=Seen(restarts=1)).rolls_back() is None
    assert isinstance(watched(1, new=Seen(restarts=2)).rolls_back(), RollBack)
    assert watched(1, new=Seen(restarts=2), old=Seen(restarts=2)).rolls_back() is None


def test_whatever_convicts_a_version_how_its_replicas_ended_is_said_beside_it() -> None:
    killed = "exit code 137 (OOMKilled)"
    verdict = watched(20, new=Seen(tally=Tally(answers=50, errors=30), ended=killed)).rolls_back()
    assert isinstance(verdict, RollBack)
    assert verdict.reason.startswith("errors: ")
    assert verdict.reason.endswith(f"; one of its replicas ended by itself, with {killed}")
    assert watched(1, new=Seen(ended=killed)).rolls_back() is None


def test_errors_in_the_logs_roll_back_although_every_answer_looks_fine() -> None:
    watch = watched(20, new=Seen(tally=Tally(answers=50), log_errors=200))
    verdict = watch.rolls_back()
    assert isinstance(verdict, RollBack)
    assert verdict.reason.startswith("log errors")


def test_errors_in_both_versions_logs_are_a_fault_outside() -> None:
    watch = watched(20, new=Seen(tally=Tally(answers=50), log_errors=200), old=Seen(tally=Tally(answers=5), log_errors=20))
    assert watch.rolls_back() is None


def test_too_few_answers_are_not_enough_data_and_never_keep() -> None:
    assert isinstance(watched(5, new=seen(1)).concludes(blind=False), NotEnoughData)


def test_a_silent_data_plane_is_not_enough_data() -> None:
    assert isinstance(watched(50, new=seen(50)).concludes(blind=True), NotEnoughData)


def test_the_last_health_report_must_be_good() -> None:
    assert isinstance(watched(1, new=Seen(tally=Tally(answers=100), healthy=False)).concludes(blind=False), NotEnoughData)


def test_a_share_of_nothing_is_none_seen() -> None:
    assert share(0, 0) == "none seen"
    assert share(42, 1000) == "4.2 %"


def test_a_window_forgets_what_is_older_than_five_minutes() -> None:
    assert len(watched(400, new=seen(10), every=timedelta(seconds=1)).looks) == 301


TALLIES = st.lists(
    st.integers(1, 40).flatmap(lambda answers: st.tuples(st.just(answers), st.integers(0, answers), st.integers(0, answers))), min_size=3, max_size=60
)


def verdict_of(looks: list[tuple[int, int]], *, old: list[tuple[int, int]] | None = None) -> Verdict:
    """Return how a watch ends that sees (answers, errors) of the new version look by look, and of the old one."""
    watch = Watch()
    beside = old or [(PROBES_A_LOOK, 0)] * len(looks)
    for number, ((answers, errors), (old_answers, old_errors)) in enumerate(zip(looks, beside, strict=True)):
        watch.see(Look(at=START + number * HALF_A_SECOND, new=seen(answers, errors=errors), old=seen(old_answers, errors=old_errors)))
        if (verdict := watch.rolls_back()) is not None:
            return verdict
    return watch.concludes(blind=False)


@given(TALLIES)
@settings(max_examples=200)
def test_more_failures_never_turn_a_rollback_into_keep(tallies: list[tuple[int, int, int]]) -> None:
    fewer = [(answers, min(one, other)) for answers, one, other in tallies]
    more = [(answers, max(one, other)) for answers, one, other in tallies]
    if isinstance(verdict_of(fewer), RollBack):
        assert not isinstance(verdict_of(more), Keep)


@given(TALLIES)
@settings(max_examples=200)
def test_a_version_that_does_as_the_old_one_does_is_never_rolled_back(tallies: list[tuple[int, int, int]]) -> None:
    looks = [(answers, errors) for answers, errors, _ in tallies]
    assert not isinstance(verdict_of(looks, old=looks), RollBack)


@given(TALLIES)
@settings(max_examples=100)
def test_the_numbers_behind_a_verdict_name_a_rule_that_convicts_exactly_where_one_does(tallies: list[tuple[int, int, int]]) -> None:
    watch = Watch()
    for number, (answers, errors, slow) in enumerate(tallies):
        watch.see(Look(at=START + number * HALF_A_SECOND, new=seen(answers, errors=errors, slow=slow), old=FINE))
        assert any(rule.convicts for rule in evidence(watch)) == (watch.rolls_back() is not None)


def test_too_little_to_decide_is_said_so_in_the_numbers_too() -> None:
    rules = {rule.rule: rule for rule in evidence(watched(2, new=seen(3)))}
    assert rules["errors"].note == "not enough data: 6 of 40 answers"
    assert rules["errors over 5 minutes"].note.startswith("not enough data")
    assert evidence(Watch())[0].new is None


@pytest.mark.parametrize("period", [2, 3, 4])
def test_health_that_flaps_rolls_nothing_back_while_members_are_served(period: int) -> None:
    watch = Watch()
    for number in range(120):
        healthy = number % period != period - 1
        watch.see(Look(at=START + number * HALF_A_SECOND, new=Seen(tally=FINE.tally, healthy=healthy), old=Seen(tally=FINE.tally, healthy=True)))
        assert watch.rolls_back() is None
    watch.see(Look(at=START + 120 * HALF_A_SECOND, new=Seen(tally=FINE.tally, healthy=True), old=Seen(tally=FINE.tally, healthy=True)))
    assert isinstance(watch.concludes(blind=False), Keep)


def test_a_share_is_never_more_than_all() -> None:
    assert (share(1, 8), share(6, 5), share(0, 0)) == ("12.5 %", "100.0 %", "none seen")
