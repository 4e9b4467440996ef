from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.contract.processes.conftest import PATIENCE, alive, eventually
from tests.contract.replicas.conftest import Service
from tests.contract.replicas.promises import ReplicasPromises
from tests.contract.replicas.world import BROKEN
from tests.contract.traffic.load import load
from unioneyes.adapters.processes.client import SupervisorUnavailable
from unioneyes.adapters.processes.layout import ReplicaSlot
from unioneyes.adapters.processes.spec import ProcessSpec
from unioneyes.kernel.problems import BadInput
from unioneyes.ports.replicas import NoReadyReplica
from unioneyes.ports.traffic import Colour, Weights

pytestmark = pytest.mark.stack
BLUE, GREEN = Colour.BLUE, Colour.GREEN
FOR_EVER = timedelta(hours=1)


def start(service: Service, colour: Colour, version: str = "1.0.0", count: int = 2) -> None:
    ready = service.replicas.start(colour, version=version, count=count, within=PATIENCE)
    assert (ready.colour, ready.version, ready.count) == (colour, version, count)


def pids(service: Service, colour: Colour) -> dict[str, int]:
    return {status.name: status.pid for status in service.edge.supervisor.status() if status.name.startswith(colour) and status.pid is not None}


def running(service: Service) -> list[tuple[str, str, bool]]:
    return [(replica.name, replica.version, replica.ready) for replica in service.replicas.all()]


class TestLocalReplicas(ReplicasPromises):
    """The promises of the port, kept by processes under the supervisor."""


def test_logs_of_replicas_that_are_gone_are_still_told(service: Service) -> None:
    started = datetime.now(UTC)
    with pytest.raises(NoReadyReplica):
        service.replicas.start(GREEN, version=BROKEN, count=1, within=PATIENCE)
    service.replicas.stop(GREEN)
    assert {line.message.partition(";")[0] for line in service.replicas.logs(GREEN, since=started, level="ERROR")} == {"ended by itself: exit code 1"}


def preview(service: Service, colour: Colour) -> str:
    return service.edge.get(preview=True, headers={"x-preview": colour}).version


def test_a_colour_that_was_started_runs_so_many_replicas_and_is_reached(service: Service) -> None:
    start(service, BLUE)
    assert running(service) == [("blue-1", "1.0.0", True), ("blue-2", "1.0.0", True)]
    counters = service.edge.traffic.counters()
    assert (counters.blue.healthy, counters.blue.replicas) == (2, 2)
    assert preview(service, BLUE) == "1.0.0"


def test_another_version_takes_the_place_of_the_one_before(service: Service) -> None:
    start(service, BLUE)
    before = pids(service, BLUE)
    start(service, BLUE, "1.1.0", count=1)
    assert running(service) == [("blue-1", "1.1.0", True)]
    assert not any(map(alive, before.values()))
    assert preview(service, BLUE) == "1.1.0"


def test_more_or_fewer_replicas_leave_those_that_stay_alone(service: Service) -> None:
    start(service, GREEN, count=1)
    first = pids(service, GREEN)["green-1"]
    start(service, GREEN, count=3)
    assert pids(service, GREEN)["green-1"] == first
    assert service.edge.traffic.counters().green.healthy == 3
    start(service, GREEN, count=1)
    assert pids(service, GREEN) == {"green-1": first}
    assert service.edge.traffic.counters().green.replicas == 1


def test_releases_come_and_go_under_load_and_nothing_is_lost(service: Service) -> None:
    traffic = service.edge.traffic
    start(service, BLUE, "1.0.0")
    traffic.shift(Weights.all_to(BLUE))
    with load(service.edge.members) as members:
        for colour, version in ((GREEN, "1.1.0"), (BLUE, "1.2.0")):
            start(service, colour, version)
            traffic.shift(Weights.all_to(colour))
            assert traffic.drained(colour.other, within=PATIENCE).left == 0
            service.replicas.stop(colour.other)
            members.wait_for(300)
    assert set(members.outcomes) == {"1.0.0", "1.1.0", "1.2.0"}
    assert running(service) == [("blue-1", "1.2.0", True), ("blue-2", "1.2.0", True)]


def test_surplus_replicas_end_under_load_and_nothing_is_lost(service: Service) -> None:
    traffic = service.edge.traffic
    start(service, BLUE, count=2)
    traffic.shift(Weights.all_to(BLUE))
    with load(service.edge.members) as members:
        members.wait_for(200)
        start(service, BLUE, count=1)
        members.wait_for(200)
    assert set(members.outcomes) == {"1.0.0"}


def test_a_colour_that_was_stopped_runs_nothing_and_stopping_it_again_is_no_error(service: Service) -> None:
    start(service, BLUE, count=1)
    before = pids(service, BLUE)
    for _ in range(2):
        service.replicas.stop(BLUE)
        assert service.replicas.all() == ()
    assert not any(map(alive, before.values()))
    assert service.edge.traffic.counters().blue.replicas == 0
    assert not (service.edge.folder / "blue-1.sock").exists()


def test_a_replica_that_was_killed_is_back_and_its_restart_is_counted(service: Service) -> None:
    start(service, BLUE, count=1)
    os.kill(pids(service, BLUE)["blue-1"], signal.SIGKILL)
    eventually(lambda: [(replica.restarts, replica.ready) for replica in service.replicas.all()] == [(1, True)])
    eventually(lambda: service.edge.traffic.counters().blue.healthy == 1)


def test_after_the_machine_was_down_each_colour_runs_what_it_ran(service: Service) -> None:
    start(service, BLUE, "1.0.0", count=1)
    start(service, GREEN, "1.1.0", count=1)
    service.edge.traffic.shift(Weights.all_to(GREEN))
    service.edge.supervisor.shutdown(PATIENCE)
    with pytest.raises(SupervisorUnavailable):
        service.replicas.all()
    service.edge.up()
    restored = service.replicas.restore(within=PATIENCE)
    assert [(each.colour, each.version, each.count) for each in restored] == [(BLUE, "1.0.0", 1), (GREEN, "1.1.0", 1)]
    assert service.edge.get().version == "1.1.0"


def test_a_release_that_can_not_be_brought_back_does_not_keep_the_other_colour_away(service: Service) -> None:
    start(service, GREEN, "1.0.0", count=1)
    service.edge.traffic.shift(Weights.all_to(GREEN))
    with pytest.raises(NoReadyReplica):
        service.replicas.start(BLUE, version=BROKEN, count=1, within=PATIENCE)
    service.edge.supervisor.shutdown(PATIENCE)
    service.edge.up()
    with pytest.raises(NoReadyReplica, match="blue-1 ended"):
        service.replicas.restore(within=PATIENCE)
    assert service.edge.get().version == "1.0.0"


def test_what_was_stopped_is_not_brought_back(service: Service) -> None:
    assert service.replicas.restore() == ()
    start(service, BLUE, count=1)
    service.replicas.stop(BLUE)
    assert service.replicas.restore() == ()


def test_what_a_person_would_type_is_told_without_secrets(service: Service) -> None:
    inner = service.replicas.command
    secret = replace(service.replicas, command=lambda slot: replace(inner(slot), env={"DATABASE": "postgresql://app:hunter2hunter2@db/x"}))
    first, second = secret.describe_start(GREEN, version="1.0.0", count=2)
    assert first.startswith("env DATABASE=")
    assert "hunter2" not in first + second
    assert "green-1.sock" in first
    assert "green-2.sock" in second
    start(service, GREEN, count=2)
    assert '["green-1", "green-2"]' in service.replicas.describe_stop(GREEN)[0]
    assert "green-*.log" in service.replicas.describe_logs(GREEN)[0]


def test_no_replicas_and_sockets_that_the_kernel_would_refuse_are_bad_input(service: Service) -> None:
    with pytest.raises(BadInput, match="0 replicas"):
        service.replicas.start(BLUE, version="1.0.0", count=0, within=PATIENCE)
    far = replace(service.replicas, folder=service.replicas.folder / ("x" * 100))
    with pytest.raises(BadInput, match="too long"):
        far.start(BLUE, version="1.0.0", count=1, within=PATIENCE)


def test_what_the_replicas_counted_is_told_by_replica_and_of_one_that_hangs_nothing(service: Service) -> None:
    start(service, BLUE)
    told = service.replicas.outcomes(BLUE)
    assert [(each.replica, each.name, each.answers, each.errors) for each in told] == [("blue-1", "1.0.0", 3, 1), ("blue-2", "1.0.0", 3, 1)]
    assert service.replicas.outcomes(GREEN) == ()
    assert service.replicas.pools(GREEN) == ()
    assert [each.replica for each in service.replicas.pools(BLUE)] == ["blue-1", "blue-2"]
    hanging = pids(service, BLUE)["blue-1"]
    os.kill(hanging, signal.SIGSTOP)
    try:
        began = time.monotonic()
        assert [each.replica for each in service.replicas.outcomes(BLUE)] == ["blue-2"]
        assert time.monotonic() - began < PATIENCE.total_seconds()
    finally:
        os.kill(hanging, signal.SIGCONT)


def test_a_revision_comes_back_with_its_own_configuration_also_after_a_restart(service: Service) -> None:
    slots: list[ReplicaSlot] = []

    def seen(slot: ReplicaSlot) -> ProcessSpec:
        slots.append(slot)
        return service.replicas.command(slot)

    replicas = replace(service.replicas, configuration=lambda: {"POOL": "5"}, command=seen)
    replicas.start(BLUE, version="1.0.0", count=1, within=PATIENCE, configuration={"POOL": "3"})
    replicas.mark_served(BLUE)
    service.edge.supervisor.stop("blue-1")
    replicas.restore(within=PATIENCE)
    assert [slot.configuration for slot in slots] == [{"POOL": "3"}] * len(slots)
    assert replicas.revisions()[0].configuration == {"POOL": "3"}
