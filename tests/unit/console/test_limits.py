"""How often somebody may ask: the rule, for every order of questions and every clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unioneyes.console import limits
from unioneyes.console.limits import API_REQUESTS, WRONG_TOKENS, Limits, RateLimit, TooManyRequests, TooManyWrongTokens, client_of, is_this_machine

MINUTE = timedelta(minutes=1)


@dataclass
class Clock:
    """Stands where it is put."""

    at: float = 1_000_000.0

    def __call__(self) -> float:
        return self.at


def limit(clock: Callable[[], float], count: int = 6) -> RateLimit:
    return RateLimit(count=count, per=MINUTE, clock=clock)


def test_so_many_are_allowed_at_once_and_then_one_after_each_part_of_a_minute() -> None:
    clock = Clock()
    counted = limit(clock)
    assert [counted.take("a") for _ in range(6)] == [timedelta(0)] * 6
    assert counted.take("a") == counted.wait("a") == timedelta(seconds=10)
    clock.at += 9.5
    assert counted.take("a") == timedelta(seconds=0.5)
    clock.at += 0.5
    assert counted.take("a") == timedelta(0)
    assert counted.take("a") == timedelta(seconds=10)
    clock.at += 3600
    assert [bool(counted.take("a")) for _ in range(7)] == [False] * 6 + [True]


def test_each_key_is_counted_by_itself() -> None:
    counted = limit(Clock(), count=1)
    assert not counted.take("a")
    assert not counted.take("b")
    assert counted.take("a")


@given(st.integers(1, 50), st.lists(st.floats(0, 20), max_size=200))
def test_within_any_minute_never_more_than_twice_as_many_are_allowed_and_waiting_as_told_is_enough(count: int, pauses: list[float]) -> None:
    clock = Clock()
    counted = limit(clock, count)
    allowed: list[float] = []
    for pause in pauses:
        clock.at += pause
        if wait := counted.take("a"):
            assert wait <= MINUTE / count + timedelta(milliseconds=1)
            clock.at += wait.total_seconds() + 1e-6
            assert not counted.take("a")
        allowed.append(clock.at)
    for at in allowed:
        assert sum(at <= other < at + MINUTE.total_seconds() for other in allowed) <= 2 * count


@given(st.integers(1, 1000), st.floats(0, 10))
def test_who_asks_no_faster_than_allowed_is_never_told_to_wait(count: int, first: float) -> None:
    clock = Clock(at=first)
    counted = limit(clock, count)
    for _ in range(3 * min(count, 50)):
        assert not counted.take("a")
        clock.at += MINUTE.total_seconds() / count * 1.000001


def test_those_who_are_many_fill_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_MOST_KEYS", 100)
    clock = Clock()
    counted = Limits(failures=limit(clock), requests=limit(clock))
    for number in range(1000):
        counted.failed(f"client-{number}", f"token-{number}")
        counted.came_in(f"client-{number}", f"token-{number}")
    assert len(counted.failures._free_at) <= 100
    assert len(counted._known) <= 100


def test_who_asks_now_is_kept_and_who_has_waited_is_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_MOST_KEYS", 2)
    clock = Clock()
    counted = limit(clock, count=1)
    counted.take("long ago")
    clock.at += 3600
    for key in ("a", "b"):
        counted.take(key)
    assert "long ago" not in counted._free_at
    assert counted.take("a")
    assert counted.take("b")


def test_no_token_is_kept() -> None:
    counted = Limits()
    counted.failed("127.0.0.1", "ue_secret")
    counted.came_in("127.0.0.1", "ue_other-secret")
    assert "secret" not in repr(counted)


def test_a_wrong_token_counts_wherever_it_is_shown() -> None:
    counted = Limits(failures=limit(Clock()))
    for client in range(6):
        counted.failed(str(client), "ue_leaked")
    with pytest.raises(TooManyWrongTokens) as refused:
        counted.require_attempt("somebody else", "ue_leaked")
    assert (refused.value.retry_after, refused.value.http_status, refused.value.retryable) == (10, 429, False)
    counted.require_attempt("somebody else", "ue_own")


def test_who_came_in_is_not_kept_out_until_their_token_fails() -> None:
    counted = Limits(failures=limit(Clock()))
    counted.came_in("a", "ue_own")
    for number in range(6):
        counted.failed("a", f"ue_{number}")
    counted.require_attempt("a", "ue_own")
    with pytest.raises(TooManyWrongTokens):
        counted.require_attempt("a", "ue_another")
    counted.failed("a", "ue_own")
    with pytest.raises(TooManyWrongTokens):
        counted.require_attempt("a", "ue_own")


def test_a_problem_says_whole_seconds_and_never_none() -> None:
    assert TooManyRequests.after(timedelta(seconds=0.001), "x").retry_after == 1
    assert TooManyRequests.after(timedelta(seconds=2.1), "x").retry_after == 3


def test_what_our_own_programs_ask_stays_far_below() -> None:
    """A page asks for the traffic and the deployment or a run each second, and for the runs every other. A watch asks after each line; a run writes
    one or two a second."""
    page, watch = 60 * (1 + 1 + 0.5 + 1), 60 * 4
    assert 10 * (page + watch) < API_REQUESTS
    assert WRONG_TOKENS < 60, "a guesser gets slow"


@pytest.mark.parametrize(
    ("host", "client"),
    [
        (None, "socket"),
        ("127.0.0.1", "127.0.0.1"),
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_a_client_is_its_address_or_its_network(host: str | None, client: str) -> None:
    assert client_of(host) == client


@pytest.mark.parametrize(
    ("host", "here"),
    [(None, True), ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("::ffff:127.0.0.1", True), ("10.0.0.1", False), ("2001:db8::1", False)],
)
def test_this_machine_is_loopback_and_the_socket(host: str | None, here: bool) -> None:  # noqa: FBT001 - a parameter of the test
    assert is_this_machine(host) is here
