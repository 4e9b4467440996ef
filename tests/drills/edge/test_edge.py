"""Under attack: a flood is answered with 429 and its sender with 403, members notice nothing, and both are taken back."""

from __future__ import annotations

import http.client
import time
from collections import Counter

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
ANSWERED_BY_THE_EDGE = "/metrics"
"""With 404: the flood that reaches the limit costs the service nothing, however slow the machine is."""
LIMIT = 3_000
"""Requests a minute: more than members make, also where they were held up for a while."""
OFTEN, PATIENCE_SECONDS = 20, 60
_VIEW = TypeAdapter(EdgeView)


def edge(job: MainJob) -> EdgeView:
    said = job.stack.ue("edge", "status", "-o", "json")
    assert said.code == ExitCode.DONE, said.err
    return _VIEW.validate_json(said.out)


def changed(job: MainJob, *words: str) -> EdgeView:
    said = job.stack.ue("edge", *words, "--reason", "a drill", "-o", "json")
    assert said.code == ExitCode.DONE, said.err
    return edge(job)


def asked(job: MainJob, *, until: int | None = None) -> Counter[int]:
    """Return what an attacker is answered who asks once; or as fast as he can, on one connection, until he was answered so often enough."""
    answers, given_up = Counter[int](), time.monotonic() + PATIENCE_SECONDS
    connection = http.client.HTTPConnection("127.0.0.1", job.parts.ports.service, timeout=20, source_address=(ATTACKER, 0))
    while not answers or (until is not None and answers[until] < OFTEN and time.monotonic() < given_up):
        connection.request("GET", ANSWERED_BY_THE_EDGE)
        answer = connection.getresponse()
        answer.read()
        answers[answer.status] += 1
    connection.close()
    return answers


def kept_away(members: Members) -> dict[str, int]:
    """Return how many requests members lost, and how many the edge refused them, by what became of them."""
    found = [each for each in read_exchanges(members.report) if each.lost or each.status in {403, 429}]
    return dict(Counter(f"{each.method} {each.status or each.error} of {each.version}" for each in found))


def test_under_attack_the_attacker_is_kept_away_and_no_member(serving: MainJob) -> None:
    assert (edge(serving).limit, edge(serving).denied) == (None, ())
    with members_at_work(serving) as members:
        assert asked(serving) == {404: 1}
        assert str(changed(serving, "limit", f"{LIMIT}/minute").limit) == f"{LIMIT} requests a minute"
        flood = asked(serving, until=429)
        assert flood[429] == OFTEN
        assert LIMIT <= flood[404] < 2 * LIMIT, "a bucket was emptied, which fills up while he asks"
        assert [str(each) for each in changed(serving, "deny", ATTACKER).denied] == [f"{ATTACKER}/32"]
        assert asked(serving, until=403) == {403: OFTEN}
        assert changed(serving, "allow", ATTACKER).denied == ()
        assert changed(serving, "limit", "none").limit is None
        assert asked(serving) == {404: 1}
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
