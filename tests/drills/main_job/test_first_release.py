"""The first release of all: when it is bad, there is none to go back to, so nothing serves."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.drills.main_job.main_job import MainJob
from tests.stack import running_stack


@pytest.fixture(scope="module")
def empty() -> Iterator[MainJob]:
    """A stack on which nothing was ever deployed."""
    with running_stack() as stack:
        yield MainJob(stack=stack)


@pytest.mark.campaign
def test_a_bad_first_release_is_taken_away_and_members_are_told_that_nothing_is_deployed(empty: MainJob) -> None:
    said = empty.deploy("1.2.0-errors", "--migrate", "--bake", "30s")
    assert said.code == 5, said.err
    assert "no release served before it" in said.err
    colours = empty.status()["colours"]
    assert isinstance(colours, list)
    assert [(colour["traffic"], colour["replicas"]) for colour in colours if isinstance(colour, dict)] == [(0, 0), (0, 0)]
    answer = httpx.get(f"{empty.parts.service_url}/api/claims", timeout=10)
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["title"]
