"""The edge of an Envoy of our own keeps out what it is told to, says so by real answers, and lets it in again."""

from __future__ import annotations

import json
import os
import signal
from ipaddress import ip_network

import pytest

from tests.contract.edge.conftest import GuardedEnvoy, guard_of, visited
from tests.contract.edge.promises import ATTACKER, FEW, EdgePromises
from tests.contract.processes.conftest import eventually
from tests.contract.traffic.promises import GREEN
from unioneyes.adapters.envoy.edge_config import DENY, LIMIT, edge_file
from unioneyes.ports.edge import STRICT, EdgeRejected, EdgeUnavailable

pytestmark = pytest.mark.stack


class TestEnvoyEdge(EdgePromises):
    """The promises of the port, kept by an Envoy of our own."""


def test_those_who_are_kept_away_are_told_so(guarded: GuardedEnvoy) -> None:
    guarded.guard.limit(FEW)
    answers = [guarded.get() for _ in range(5)]
    assert (answers[-1].status, answers[-1].headers["content-type"]) == (429, "application/problem+json")
    assert json.loads(answers[-1].body)["title"] == "too many requests"
    guarded.guard.deny((guarded.visitor,))
    assert visited(guarded.members) == 403


def test_an_address_can_not_be_claimed(guarded: GuardedEnvoy) -> None:
    guarded.guard.deny((guarded.visitor,))
    assert visited(guarded.members, forwarded_for="203.0.113.9") == 403


def test_a_colour_is_looked_at_under_attack_too(guarded: GuardedEnvoy) -> None:
    guarded.guard.limit(FEW)
    assert {guarded.world.get(preview=True).status for _ in range(20)} == {200}


def test_neither_a_switch_nor_a_restart_of_envoy_lets_anybody_in(guarded: GuardedEnvoy) -> None:
    guarded.guard.deny((guarded.visitor, ATTACKER))
    guarded.guard.limit(STRICT)
    guarded.world.traffic.shift(GREEN)
    assert visited(guarded.members) == 403
    before = guarded.world.pid("envoy")
    os.kill(before, signal.SIGKILL)
    eventually(lambda: _in_force(guarded))
    assert (guarded.guard.view().limit, guarded.guard.view().denied) == (STRICT, (guarded.visitor, ATTACKER))
    assert visited(guarded.members) == 403


def test_what_can_not_be_seen_by_a_real_request_is_put_back(guarded: GuardedEnvoy) -> None:
    with pytest.raises(EdgeRejected, match="gives no answer"):
        guard_of(guarded.world, port=9).limit(STRICT)
    assert (guarded.guard.view().limit, guarded.guard.view().in_force) == (None, True)


def test_what_is_so_already_is_not_written(guarded: GuardedEnvoy) -> None:
    guarded.guard.limit(STRICT)
    file = edge_file(guarded.world.folder, LIMIT)
    written = file.stat()
    guarded.guard.limit(STRICT)
    assert os.path.samestat(file.stat(), written)


def test_a_file_that_envoy_refused_is_not_in_force_and_is_written_anew(guarded: GuardedEnvoy) -> None:
    file = edge_file(guarded.world.folder, DENY)
    broken = file.with_name("by-hand")
    broken.write_text('{"version_info": "by-hand", "resources": "none"}')
    broken.replace(file)
    assert not guarded.guard.view().in_force
    assert guarded.guard.deny((ip_network("203.0.113.9"),)).in_force


def _in_force(guarded: GuardedEnvoy) -> bool:
    try:
        return guarded.guard.view().in_force
    except EdgeUnavailable:
        return False
