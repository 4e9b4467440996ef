"""Each method of a port that changes something is refused to whoever comes late; and none is forgotten here, whatever a port learns to do."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from inspect import isclass, isfunction
from pathlib import Path
from types import CodeType
from typing import TypeVar

import pytest
from pydantic import SecretStr

from tests.contract.backups.archives import archive_in
from tests.contract.edge.conftest import guard_of
from tests.contract.edge.promises import ATTACKER
from tests.contract.fencing import test_late_blocks as blocks
from tests.contract.fencing import test_late_checkpoints as checkpoints
from tests.contract.fencing import test_late_writes as others
from tests.contract.fencing.late import late, taken_over
from tests.contract.migrations.test_migrations import COLUMNS, Folder
from tests.contract.postgres.conftest import Database
from tests.contract.recovery.world import world
from tests.contract.replicas.conftest import Service
from tests.contract.restores.test_restores import NAME, Restoring
from tests.contract.traffic.conftest import Edge as Envoy
from unioneyes import ports
from unioneyes.adapters.postgres import locks
from unioneyes.adapters.postgres.backups import VerifiedBackups
from unioneyes.adapters.postgres.bootstrap import BACKUP
from unioneyes.adapters.postgres.erasures import ErasingProgram
from unioneyes.adapters.postgres.recovery.export import Export
from unioneyes.adapters.postgres.restores import RestoresBeside
from unioneyes.adapters.processes.client import Supervisor
from unioneyes.adapters.processes.pods import LocalPods
from unioneyes.kernel.clock import now
from unioneyes.kernel.fencing import Fence
from unioneyes.ports.database import Backups, Migrations, Restores
from unioneyes.ports.documents import Documents
from unioneyes.ports.edge import STRICT, Edge
from unioneyes.ports.erasures import Erasures
from unioneyes.ports.notifier import Notifier
from unioneyes.ports.pods import Pods, Size
from unioneyes.ports.queries import Queries
from unioneyes.ports.recovery import Recovery, RecoveryPoint, Target
from unioneyes.ports.replicas import Replicas
from unioneyes.ports.shell import Shell
from unioneyes.ports.traffic import Colour, Traffic, Weights
from unioneyes.ports.witness import Witness

pytestmark = pytest.mark.stack

Port = TypeVar("Port")

OUTSIDE = Fence._lock.__code__
WITHIN = timedelta(seconds=60)
READS = {
    "Activity": {"cancel", "end", "require_ending", "view"},  # ends the session that was seen, or none: a late write finds another one, or none
    "BackupStore": {"address", "free", "keep_note", "names", "note", "reading", "writing", "delete"},  # Backups' own, inside of its fence
    "Backups": {"all", "require_provable", "room"},
    "Chat": {"complaint", "next", "read", "show"},  # a form for one person, outside of any run
    "Checklist": {"approvals", "change_freeze", "current_version", "freezes", "release_contract", "staging_health", "waived"},
    "Documents": {"read"},
    "Edge": {"require_others", "view"},
    "IdentityProvider": {"identify", "sign_in_url", "sign_out_url"},
    "Migrations": {"applied", "folder", "ledger", "lint", "losses", "pending", "risks", "sizes", "standing"},
    "Plans": {"analyze", "explain"},  # reads, and is rolled back
    "Pods": {"all", "details", "follow", "logs", "shell", "size"},
    "QueryHistory": {"counted", "logged", "statement"},
    "Releases": {"all", "digest", "get"},
    "Recovery": {"bases", "failover", "faults", "find", "prunable", "require_absent", "room", "running", "verify", "wal"},
    "Replicas": {"all", "configuration", "logs", "outcomes", "pools", "revisions", "rolling"},
    "Restores": {"difference", "require_new", "room", "written_since"},
    "SecretProvider": {"resolve"},
    "Service": {"health", "probe", "smoke", "url"},
    "Shell": {"missing"},
    "Traffic": {"counters", "drained", "require_means", "view"},
    "Vitals": {"lag", "signs"},  # a heartbeat writes to no table
    "Witness": {"all", "latest", "since"},
    "Sink": {"write"},
    "Source": {"read"},
}
"""What changes nothing that a run operates on: it may come as late as it likes. So does whatever only says what a person would type."""
TYPED = "describe"
POINT = RecoveryPoint(base="base_one", timeline=1, said="the end", segments=1)

TRAFFIC: dict[str, Callable[[Traffic], object]] = {
    "shift": lambda traffic: traffic.shift(Weights(green=100)),
    "enter_maintenance": lambda traffic: traffic.enter_maintenance(retry_after=WITHIN),
    "leave_maintenance": lambda traffic: traffic.leave_maintenance(),
    "rehearse_shift": lambda traffic: traffic.rehearse_shift(),
}
EDGE: dict[str, Callable[[Edge], object]] = {"limit": lambda edge: edge.limit(STRICT), "deny": lambda edge: edge.deny((ATTACKER,))}
REPLICAS: dict[str, Callable[[Replicas], object]] = {
    "start": lambda replicas: replicas.start(Colour.BLUE, version="2.0.0", count=1, within=WITHIN),
    "stop": lambda replicas: replicas.stop(Colour.BLUE),
    "roll": lambda replicas: replicas.roll(Colour.BLUE, version="2.0.0", within=WITHIN),
    "mark_served": lambda replicas: replicas.mark_served(Colour.BLUE),
}
REHEARSALS: dict[str, Callable[[Replicas], object]] = {
    "start_rehearsal": lambda replicas: replicas.start_rehearsal(version="2.0.0", database_url=SecretStr("anywhere"), within=WITHIN),
    "stop_rehearsal": lambda replicas: replicas.stop_rehearsal(),
}
PODS: dict[str, Callable[[Pods], object]] = {
    "restart": lambda pods: pods.restart(Colour.BLUE, ordered=now(), within=WITHIN, meanwhile=lambda _: None),
    "resize": lambda pods: pods.resize(Colour.BLUE, Size(count=3, autoscaler=None), within=WITHIN),
}
MIGRATIONS: dict[str, Callable[[Migrations], object]] = {
    "apply": lambda migrations: migrations.apply(migrations.folder("1.2.0")),
    "roll_back": lambda migrations: migrations.roll_back(migrations.folder("1.0.0")),
}
BACKUPS: dict[str, Callable[[Backups], object]] = {
    "create": lambda backups: backups.create(NAME),
    "verify": lambda backups: backups.verify(NAME),
    "scratch_url": lambda backups: backups.scratch_url(NAME),
    "scratch_service_url": lambda backups: backups.scratch_service_url(NAME),
    "discard_scratch": lambda backups: backups.discard_scratch(NAME),
    "delete": lambda backups: backups.delete(NAME),
}
BEFORE_A_SWAP: dict[str, Callable[[Restoring], object]] = {
    "discard_beside": lambda made: made.restores.discard_beside(beside=made.beside),
    "discard_into": lambda made: made.restores.discard_into(NAME, database=made.beside),
    "close": lambda made: made.restores.close(beside=made.beside),
    "reopen": lambda made: made.restores.reopen(beside=made.beside),
    "swap": lambda made: made.restores.swap(beside=made.beside, kept=made.kept),
}
ERASURES: dict[str, Callable[[Erasures], object]] = {"erase_again": lambda erasures: erasures.erase_again("postgres", since=now())}
AFTER_A_SWAP: dict[str, Callable[[Restoring], object]] = {
    "restore_beside": lambda made: made.restores.restore_beside(NAME, beside=made.beside),
    "restore_into": lambda made: made.restores.restore_into(NAME, database=made.beside),
    "swap_back": lambda made: made.restores.swap_back(beside=made.beside, kept=made.kept),
}
RECOVERY: dict[str, Callable[[Recovery], object]] = {
    "back_up": lambda recovery: recovery.back_up("late", incremental=False),
    "discard": lambda recovery: recovery.discard(NAME),
    "prune": lambda recovery: recovery.prune(),
    "recover": lambda recovery: recovery.recover(NAME, POINT),
}
EXPORTS: dict[str, Callable[[Recovery], object]] = {
    "discard_export": lambda recovery: recovery.discard_export(NAME, into="back"),
    "export": lambda recovery: recovery.export(NAME, into="back", table=None),
}
WRITES: Mapping[type, set[str]] = {
    Traffic: {*TRAFFIC},
    Edge: {*EDGE},
    Replicas: {*REPLICAS, *REHEARSALS},
    Pods: {*PODS},
    Migrations: {*MIGRATIONS},
    Backups: {*BACKUPS},
    Recovery: {*RECOVERY, *EXPORTS},
    Restores: {*BEFORE_A_SWAP, *AFTER_A_SWAP},
    Erasures: {*ERASURES},
}
"""Refused to whoever comes late, by the tests below."""
SINGLE: Mapping[type, Mapping[str, Callable[..., None]]] = {
    Documents: {"write": others.test_pages},
    Notifier: {"announce": others.test_messages_in_the_chat_which_refuses_nobody_so_the_late_one_takes_its_own_back},
    Queries: {"run": blocks.test_sql_of_runbooks},
    Shell: {"run": blocks.test_a_block_that_was_not_begun_yet},
    Witness: {"keep": checkpoints.test_checkpoints_in_a_bucket},
}
"""By the test named here."""


def test_no_method_of_a_port_is_forgotten() -> None:
    known = {port.__name__: {*WRITES.get(port, ()), *SINGLE.get(port, ()), *READS.get(port.__name__, ())} for port in every_port()}
    assert {port.__name__: methods(port) for port in every_port()} == known
    assert not set(READS) - set(known)


def test_traffic(edge: Envoy) -> None:
    before = edge.traffic.view()
    refused(TRAFFIC, edge.traffic, before=OUTSIDE, newer=lambda: edge.traffic.shift(Weights(blue=100)))
    after = edge.traffic.view()
    assert (after.weights, after.maintenance) == (Weights(blue=100), before.maintenance)


def test_edge(edge: Envoy) -> None:
    guard = guard_of(edge)
    refused(EDGE, guard, before=OUTSIDE, newer=lambda: (guard.limit(None), guard.deny(())))
    assert (guard.view().limit, guard.view().denied) == (None, ())


def test_replicas(service: Service) -> None:
    service.replicas.start(Colour.BLUE, version="1.0.0", count=1, within=WITHIN)

    def newer() -> None:
        service.replicas.start(Colour.BLUE, version="1.0.0", count=2, within=WITHIN)

    for calls, before in ((REPLICAS, OUTSIDE), (REHEARSALS, Supervisor._ask.__code__)):
        refused(calls, service.replicas, before=before, newer=newer)
        assert [(each.name, each.version, each.ready, each.served) for each in service.replicas.all()] == [
            ("blue-1", "1.0.0", True, False),
            ("blue-2", "1.0.0", True, False),
        ]


def test_pods(service: Service) -> None:
    service.replicas.start(Colour.BLUE, version="1.0.0", count=1, within=WITHIN)
    pods = LocalPods(replicas=service.replicas, image=lambda version: version)
    for name, before in (("resize", OUTSIDE), ("restart", Supervisor._ask.__code__)):
        refused({name: PODS[name]}, pods, before=before, newer=lambda: pods.resize(Colour.BLUE, Size(count=2, autoscaler=None), within=WITHIN))
        assert [(each.name, each.ready) for each in service.replicas.all()] == [("blue-1", True), ("blue-2", True)]


def test_migrations(database: Database, tmp_path: Path) -> None:
    folder = Folder(path=tmp_path / "migrations")
    folder.write()
    made = folder.migrations(database)
    refused(MIGRATIONS, made, before=locks.in_one_transaction.__code__, newer=lambda: made.apply(made.folder("1.0.0")))
    assert database.value(COLUMNS) == "id status"


def test_backups(database: Database, folder: Path) -> None:
    made = VerifiedBackups(archive=archive_in(folder), database_url=database.url(BACKUP), scratch_folder=folder / "scratch", migration_names=dict)
    try:
        refused(BACKUPS, made, before=OUTSIDE, newer=lambda: made.create(NAME))
        (backup,) = made.all()
        assert backup.verified_in is None
        assert not [*(folder / "scratch").glob("*/")]
    finally:
        made.close()


def test_restores(restoring: Restoring) -> None:
    outside = RestoresBeside._administration.__code__
    restoring.restores.restore_beside(NAME, beside=restoring.beside)
    refused(BEFORE_A_SWAP, restoring, before=outside, newer=lambda: restoring.restores.close(beside=restoring.beside))
    assert restoring.databases() == {restoring.live.name, restoring.beside}
    with taken_over():
        restoring.restores.swap(beside=restoring.beside, kept=restoring.kept)
    refused(AFTER_A_SWAP, restoring, before=outside, newer=lambda: restoring.restores.discard_beside(beside=restoring.beside))
    assert restoring.databases() == {restoring.live.name, restoring.kept}


def test_erasures(restoring: Restoring, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    made = ErasingProgram(argv=("sh", "-c", f"touch {begun}; echo 0"), admin=restoring.restores.admin)
    refused(ERASURES, made, before=ErasingProgram.erase_again.__code__, newer=lambda: restoring.restores.discard_beside(beside=restoring.beside))
    assert not begun.exists()


def test_recovery() -> None:
    with world() as made:
        made.recovery.back_up("base_one", incremental=False)

        def newer() -> None:
            made.recovery.prune()
            made.recovery.discard(NAME)

        refused(RECOVERY, made.recovery, before=OUTSIDE, newer=newer)
        assert [base.name for base in made.recovery.bases()] == ["base_one"]
        assert not made.recovery.running(NAME)
        made.recovery.recover(NAME, made.recovery.find(Target(end=True)))
        refused(EXPORTS, made.recovery, before=Export._administration.__code__, newer=lambda: made.recovery.discard_export(NAME, into="back"))
        made.recovery.require_absent("back")


def refused(calls: Mapping[str, Callable[[Port], object]], port: Port, *, before: CodeType, newer: Callable[[], object]) -> None:
    """Each call, by a worker that was stopped before it, is refused when it wakes up after another one has done something newer."""
    with ExitStack() as under_way:
        stopped = {name: under_way.enter_context(late(partial(call, port), before=before)) for name, call in calls.items()}
        with taken_over():
            newer()
        assert {name: each.wake() for name, each in stopped.items()} == dict.fromkeys(calls, "fenced-off")


def every_port() -> list[type]:
    """Return every protocol among the ports."""
    modules = [importlib.import_module(f"{ports.__name__}.{found.name}") for found in pkgutil.iter_modules(ports.__path__)]
    return [
        found
        for module in modules
        for found in vars(module).values()
        if isclass(found) and found.__module__ == module.__name__ and getattr(found, "_is_protocol", False)
    ]


def methods(port: type) -> set[str]:
    """Return what the port can do, but for what it only describes."""
    return {name for name, found in vars(port).items() if isfunction(found) and not name.startswith(("_", TYPED))}
