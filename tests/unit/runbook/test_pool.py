"""The pool of connections: what a rush opened, and when it is closed."""

from __future__ import annotations

import sqlite3
import time

import pytest
from sqlalchemy import create_engine

from unioneyes.runbook.store import pool
from unioneyes.runbook.store.pool import ElasticPool

RUSH = 8


def rush(connections: ElasticPool) -> None:
    for each in [connections.connect() for _ in range(RUSH)]:
        each.close()


def made(opened: list[sqlite3.Connection]) -> ElasticPool:
    def connect() -> sqlite3.Connection:
        opened.append(sqlite3.connect(":memory:", check_same_thread=False))
        return opened[-1]

    connections = create_engine("sqlite://", creator=connect, poolclass=ElasticPool, pool_size=RUSH, max_overflow=0, pool_use_lifo=True).pool
    assert isinstance(connections, ElasticPool)
    return connections


def test_a_rush_makes_its_connections_once() -> None:
    opened: list[sqlite3.Connection] = []
    connections = made(opened)
    for _ in range(5):
        rush(connections)
    assert len(opened) == RUSH
    connections.dispose()


def test_what_a_rush_opened_is_closed_when_it_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "RUSH_SECONDS", 0.05)
    opened: list[sqlite3.Connection] = []
    connections = made(opened)
    rush(connections)
    assert connections.checkedin() == RUSH
    time.sleep(0.06)
    for _ in range(RUSH):  # whoever comes now and then
        connections.connect().close()
    assert connections.checkedin() == pool.KEPT
    rush(connections)  # the room is there again
    assert connections.checkedin() == RUSH
    connections.dispose()
