"""Under attack: a flood is answered with 429 and its sender with 403, members notice nothing, and both are taken back."""

from __future__ import annotations

import http.client
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import TypeAdapter

from tests.drills.kills.scenario import members_at_work
from tests.drills.main_job.main_job import MainJob
from unioneyes.environments.local.members import Members
from unioneyes.kernel.problems import ExitCode
from unioneyes.ports.edge import EdgeView
from unioneyes.simulators.report import read_exchanges

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

ATTACKER = "127.0.0.2"
"""Another source address of this machine than the members'."""
FLOOD_SECONDS = 2.0
_VIEW = TypeAdapter(EdgeView)


def edge(job: MainJob) -> EdgeView:
    said = job.stack.ue("edge", "status", "-o", "json")
    assert said.code == ExitCode.DONE, said.err
    return _VIEW.validate_json(said.out)


def changed(job: MainJob, *words: str) -> EdgeView:
    said = job.stack.ue("edge", *words, "--reason", "a drill", "-o", "json")
    assert said.code == ExitCode.DONE, said.err
    return edge(job)


def asked(job: MainJob, *, seconds: float = 0) -> Counter[int]:
    """Return what an attacker is answered who asks as fast as he can, on a connection that he keeps; once at the least."""
    until, answers = time.monotonic() + seconds, Counter[int]()
    connection = http.client.HTTPConnection("127.0.0.1", job.parts.ports.service, timeout=20, source_address=(ATTACKER, 0))
    while not answers or time.monotonic() < until:
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        answer.read()
        answers[answer.status] += 1
    connection.close()
    return answers


def attack(job: MainJob) -> Counter[int]:
    """Return what somebody is answered who attacks by several connections."""

    with ThreadPoolExecutor(2) as pool:
        flooding = [pool.submit(asked, job, seconds=FLOOD_SECONDS) for _ in range(2)]
        return sum((each.result() for each in flooding), Counter())


def kept_away(members: Members) -> dict[str, int]:
    """Return how many requests members lost, and how many the edge refused them, by what became of them."""
    found = [each for each in read_exchanges(members.report) if each.lost or each.status in {403, 429}]
    return dict(Counter(f"{each.method} {each.status or each.error} of {each.version}" for each in found))


def test_under_attack_the_attacker_is_kept_away_and_no_member(serving: MainJob) -> None:
    assert (edge(serving).limit, edge(serving).denied) == (None, ())
    with members_at_work(serving) as members:
        assert asked(serving) == {200: 1}
        limited = changed(serving, "limit", "60/second").limit
        assert str(limited) == "60 requests a second"
        flood = attack(serving)
        assert flood[200] <= 60 * (FLOOD_SECONDS + 1)
        assert flood[429] > 0, flood
        assert [str(each) for each in changed(serving, "deny", ATTACKER).denied] == [f"{ATTACKER}/32"]
        assert set(attack(serving)) == {403}
        assert changed(serving, "allow", ATTACKER).denied == ()
        assert changed(serving, "limit", "none").limit is None
        assert asked(serving) == {200: 1}
        seen, refused = members.finish(), kept_away(members)
    assert (seen.lost, refused) == (0, {})
    assert seen.sent > 100


def test_a_stopped_line_holds_neither(serving: MainJob) -> None:
    assert serving.stack.ue("freeze", "start", "--reason", "an attack").code == ExitCode.DONE
    try:
        assert changed(serving, "limit", "1000/second").limit is not None
        assert changed(serving, "limit", "none").limit is None
    finally:
        assert serving.stack.ue("freeze", "end", "--reason", "it is over").code == ExitCode.DONE


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("deny", "127.0.0.0/8"), ExitCode.REFUSED),
        (("deny", "10.1.2.3"), ExitCode.REFUSED),
        (("deny", "0.0.0.0/0"), ExitCode.REFUSED),
        (("deny", "attacker.example.org"), ExitCode.USAGE),
        (("deny",), ExitCode.USAGE),
        (("allow", "192.0.2.1"), ExitCode.REFUSED),
        (("limit", "0/second"), ExitCode.USAGE),
        (("limit", "much"), ExitCode.USAGE),
    ],
)
def test_what_would_harm_ourselves_or_makes_no_sense_changes_nothing(serving: MainJob, words: tuple[str, ...], code: ExitCode) -> None:
    assert serving.stack.ue("edge", *words).code == code
    assert (edge(serving).limit, edge(serving).denied) == (None, ())
