"""The promises of the port, whichever world keeps them: each world's tests inherit these, and give a fixture `guarded`."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from ipaddress import ip_network

import pytest

from tests.contract.edge.world import Guarded
from tests.contract.processes.conftest import eventually
from tests.contract.traffic.load import load
from unioneyes.ports.edge import STRICT, BadLimit, EdgeRejected, OwnNetwork, RateLimit

FEW = RateLimit(requests=3, per=timedelta(minutes=1))
MANY = RateLimit(requests=1_000_000, per=timedelta(seconds=1))
NEVER_OURS = (ip_network("10.96.0.0/16"),)
ATTACKER = ip_network("192.0.2.0/24")


class EdgePromises:
    """What every adapter of the port does."""

    def test_a_limit_is_for_each_address_and_is_taken_back(self, guarded: Guarded) -> None:
        assert guarded.guard.limit(FEW).limit == FEW
        assert (guarded.guard.view().limit, guarded.guard.view().in_force) == (FEW, True)
        answers = Counter(guarded.get().status for _ in range(30))
        assert answers[429] >= 30 - FEW.requests * guarded.gates
        assert guarded.visit()["200"] == 1, "somebody else asks from another address"
        assert guarded.guard.limit(None).limit is None
        assert {guarded.get().status for _ in range(30)} == {200}

    def test_a_limit_costs_nobody_a_connection(self, guarded: Guarded) -> None:
        with load(guarded.members) as asked:
            for limit in (MANY, None, MANY, None):
                guarded.guard.limit(limit)
                asked.wait_for(200)
        assert set(asked.outcomes) == {"blue"}

    def test_a_network_is_kept_out_and_let_in_again(self, guarded: Guarded) -> None:
        attacker = guarded.visitor
        assert guarded.visit() == {"200": 1}
        with load(guarded.members) as asked:
            assert guarded.guard.deny((attacker,)).denied == (attacker,)
            assert guarded.visit(times=10) == {"403": 10}
            asked.wait_for(100)
            assert guarded.guard.deny(()).denied == ()
            assert guarded.visit(times=10) == {"200": 10}
        assert set(asked.outcomes) == {"blue"}

    def test_many_networks_are_kept_out_at_once(self, guarded: Guarded) -> None:
        many = tuple(ip_network(f"198.51.{number}.0/25") for number in range(200))
        assert guarded.guard.deny(many).denied == many
        assert guarded.guard.view().in_force
        guarded.guard.deny(())

    def test_we_are_never_kept_out_ourselves(self, guarded: Guarded) -> None:
        with pytest.raises(EdgeRejected, match="we are kept out ourselves"):
            guarded.guard.deny((guarded.ours,))
        assert guarded.guard.view().denied == ()
        eventually(lambda: guarded.get().status == 200 and guarded.guard.view().in_force)

    def test_what_was_filed_by_somebody_who_did_not_look_is_looked_at(self, guarded: Guarded) -> None:
        ours = (guarded.ours,)
        for command in guarded.guard.describe_deny(ours):
            guarded.type(command)
        eventually(lambda: guarded.get().status == 403 and guarded.guard.view().in_force)
        with pytest.raises(EdgeRejected, match="we are kept out ourselves"):
            guarded.guard.deny(ours)
        assert guarded.guard.deny(()).denied == ()
        eventually(lambda: guarded.get().status == 200)

    @pytest.mark.parametrize("network", ["10.96.4.0/24", "10.0.0.0/8", "0.0.0.0/0", "12.0.0.0/7", "::/0"])
    def test_our_own_networks_and_the_whole_world_are_refused(self, guarded: Guarded, network: str) -> None:
        for refusing in (guarded.guard.deny, guarded.guard.require_others):
            with pytest.raises(OwnNetwork):
                refusing((ip_network(network),))
        assert guarded.guard.view().denied == ()

    def test_what_can_not_be_counted_by_is_refused(self, guarded: Guarded) -> None:
        for limit in (RateLimit(requests=0, per=timedelta(seconds=1)), RateLimit(requests=1, per=timedelta(days=1))):
            with pytest.raises(BadLimit):
                guarded.guard.limit(limit)
        assert guarded.guard.view().limit is None

    def test_the_commands_that_a_person_would_type_do_the_same(self, guarded: Guarded) -> None:
        for limit, denied in ((FEW, (ATTACKER,)), (STRICT, (ATTACKER, ip_network("2001:db8::/32"))), (None, ())):
            for command in (*guarded.guard.describe_limit(limit), *guarded.guard.describe_deny(denied)):
                guarded.type(command)
            eventually(lambda: guarded.guard.view().in_force)
            assert (guarded.guard.view().limit, guarded.guard.view().denied) == (limit, denied)
