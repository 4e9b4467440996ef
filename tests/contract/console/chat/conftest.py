"""A server that Slack reaches: the same for all tests of a module, each of which leaves it without a fault and without a violation of Slack's rules."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.contract.console.chat.slack import Place, chatting
from tests.contract.console.conftest import Alone


@pytest.fixture(scope="module")
def place(alone: Alone, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with chatting(alone, tmp_path_factory.mktemp("slack")) as there:
        yield there


@pytest.fixture(autouse=True)
def fits(place: Place) -> Iterator[None]:
    yield
    httpx.post(f"{place.slack}/slack/_faults", json={"mode": None}, trust_env=False)
    assert httpx.get(f"{place.slack}/slack/_violations", trust_env=False).json() == []
