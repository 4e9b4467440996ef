"""The primary that the suites of this port share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.recovery.world import World, world


@pytest.fixture(scope="module")
def shared() -> Iterator[World]:
    with world() as made:
        made.recovery.back_up("base_one", incremental=False)
        yield made


@pytest.fixture
def primary(shared: World) -> Iterator[World]:
    """The shared primary; databases and scratch servers that a test makes are gone afterwards."""
    shared.run("TRUNCATE claims")
    yield shared
    shared.recovery.discard("it")
    with shared.connect() as connection:
        for made in ("back", "there"):
            connection.execute(f"DROP DATABASE IF EXISTS {made} WITH (FORCE)".encode())
