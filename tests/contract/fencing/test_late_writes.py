"""Whoever is stopped just before a write, and wakes up when another worker has its run, is refused by what it writes to. For each adapter that writes."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from types import CodeType

import httpx
import pytest
from slack_sdk import WebClient

from tests.contract.backups.archives import archive_in
from tests.contract.fencing.late import KILLED, late, taken_over
from tests.contract.migrations.test_migrations import COLUMNS, Folder
from tests.contract.notifier.test_slack_notifier import ROLLED_BACK, TOKEN
from tests.contract.postgres.conftest import Database
from tests.contract.replicas.conftest import Service
from tests.contract.restores.test_restores import NAME, Restoring
from tests.contract.traffic.conftest import Edge
from unioneyes.adapters.files import MarkdownFolder
from unioneyes.adapters.postgres import applying, locks
from unioneyes.adapters.postgres.backups import VerifiedBackups
from unioneyes.adapters.postgres.bootstrap import BACKUP, OWNER
from unioneyes.adapters.postgres.migrations import DrizzleMigrations
from unioneyes.adapters.postgres.restores import RestoresBeside
from unioneyes.adapters.processes.client import Supervisor
from unioneyes.adapters.slack import SlackNotifier
from unioneyes.kernel import files
from unioneyes.kernel.fencing import Fence
from unioneyes.ports.traffic import Colour, Weights
from unioneyes.simulators.serving import served
from unioneyes.simulators.vendors import application

pytestmark = pytest.mark.stack

OUTSIDE = Fence._lock.__code__
INSIDE = files.replace_file.__code__
WITHIN = timedelta(seconds=60)
ALL_GREEN, ALL_BLUE = Weights(green=100), Weights(blue=100)
PAGE = "docs/incidents/2026-02-09-incident.md"


@pytest.mark.parametrize(("before", "outcome"), [(OUTSIDE, "fenced-off"), (INSIDE, KILLED)], ids=["outside", "inside"])
def test_traffic(edge: Edge, before: CodeType, outcome: str) -> None:
    with late(lambda: edge.traffic.shift(ALL_GREEN), before=before) as stopped:
        with taken_over():
            edge.traffic.shift(ALL_BLUE)
        assert stopped.wake() == outcome
    assert edge.traffic.view().weights == ALL_BLUE
    assert edge.traffic.view().in_force
    assert edge.get().version == "blue"


def test_orders_to_the_supervisor(service: Service) -> None:
    service.replicas.start(Colour.BLUE, version="1.0.0", count=1, within=WITHIN)
    with late(lambda: service.edge.supervisor.stop("blue-1"), before=Supervisor._ask.__code__) as stopped:
        with taken_over():
            service.replicas.start(Colour.BLUE, version="1.0.0", count=2, within=WITHIN)
        assert stopped.wake() == "fenced-off"
    assert [(replica.name, replica.ready) for replica in service.replicas.all()] == [("blue-1", True), ("blue-2", True)]


@pytest.mark.parametrize(("before", "outcome"), [(OUTSIDE, "fenced-off"), (INSIDE, KILLED)], ids=["outside", "inside"])
def test_what_the_replicas_should_be(service: Service, before: CodeType, outcome: str) -> None:
    with late(lambda: service.replicas.start(Colour.BLUE, version="2.0.0", count=1, within=WITHIN), before=before) as stopped:
        with taken_over():
            service.replicas.start(Colour.BLUE, version="1.0.0", count=1, within=WITHIN)
            service.replicas.mark_served(Colour.BLUE)
        assert stopped.wake() == outcome
    assert [(replica.version, replica.served) for replica in service.replicas.all()] == [("1.0.0", True)]
    assert [revision.version for revision in service.replicas.revisions()] == ["1.0.0"]


@pytest.mark.parametrize(
    ("before", "outcome"),
    [(locks.in_one_transaction.__code__, "fenced-off"), (applying._execute.__code__, "database-unavailable")],
    ids=["before its transaction", "in its transaction"],
)
def test_migrations(database: Database, tmp_path: Path, before: CodeType, outcome: str) -> None:
    folder = Folder(path=tmp_path / "migrations")
    folder.write()
    made = folder.migrations(database, patience=timedelta(seconds=30))
    with late(lambda: made.apply(made.folder("1.2.0")), before=before) as stopped:
        with taken_over():
            assert made.apply(made.folder("1.0.0")).tags == ("0000_initial",)
        assert stopped.wake() == outcome
    assert database.value(COLUMNS) == "id status"
    assert [row.tag for row in made.ledger()] == ["0000_initial"]


@pytest.mark.parametrize("before", [RestoresBeside._pass_within.__code__, RestoresBeside._rename.__code__], ids=["outside", "inside"])
def test_a_restored_database_that_would_take_the_live_ones_place(restoring: Restoring, before: CodeType) -> None:
    restoring.restores.restore_beside(NAME, beside=restoring.beside)
    with late(lambda: restoring.restores.swap(beside=restoring.beside, kept=restoring.kept), before=before) as stopped:
        with taken_over():
            restoring.restores.close(beside=restoring.beside)
            restoring.restores.reopen(beside=restoring.beside)
        assert stopped.wake() == "fenced-off"
    assert restoring.databases() == {restoring.live.name, restoring.beside}


def test_what_a_swap_made_live_refuses_what_came_before_it(restoring: Restoring, tmp_path: Path) -> None:
    restoring.restores.restore_beside(NAME, beside=restoring.beside)
    folder = Folder(path=tmp_path / "migrations")
    folder.write()
    made = folder.migrations(restoring.live)
    with (
        late(lambda: restoring.restores.discard_beside(beside=restoring.beside), before=RestoresBeside._administration.__code__) as discarding,
        late(lambda: made.apply(made.folder("1.0.0")), before=DrizzleMigrations._change.__code__) as migrating,
    ):
        with taken_over():
            restoring.restores.swap(beside=restoring.beside, kept=restoring.kept)
        assert discarding.wake() == "fenced-off"
        assert migrating.wake() == "fenced-off"
    assert restoring.databases() == {restoring.live.name, restoring.kept}


@pytest.mark.parametrize(("before", "outcome"), [(OUTSIDE, "fenced-off"), (VerifiedBackups._take.__code__, KILLED)], ids=["outside", "inside"])
def test_backups(database: Database, folder: Path, before: CodeType, outcome: str) -> None:
    with database.connect(OWNER) as owner:
        owner.execute("CREATE TABLE claims (id int)")
    made = VerifiedBackups(archive=archive_in(folder), database_url=database.url(BACKUP), scratch_folder=folder / "scratch", migration_names=dict)
    try:
        with late(lambda: made.create(NAME), before=before) as stopped:
            with taken_over():
                made.create(NAME)
                made.verify(NAME)
            assert stopped.wake() == outcome
        (backup,) = made.all()
        assert backup.verified_in is not None
        with taken_over():
            made.verify(NAME)
    finally:
        made.close()


@pytest.mark.parametrize(("before", "outcome"), [(OUTSIDE, "fenced-off"), (MarkdownFolder._page.__code__, "fenced-off")], ids=["outside", "before"])
def test_pages(tmp_path: Path, before: CodeType, outcome: str) -> None:
    pages = MarkdownFolder(tmp_path)
    with late(lambda: pages.write(PAGE, "what was believed\n"), before=before) as stopped:
        with taken_over():
            pages.write(PAGE, "what came out\n")
        assert stopped.wake() == outcome
    assert pages.read(PAGE) == "what came out\n"


def test_messages_in_the_chat_which_refuses_nobody_so_the_late_one_takes_its_own_back(tmp_path: Path) -> None:
    with served(lambda url: application(tmp_path, url=url, slack_token=TOKEN)) as url:
        chat = SlackNotifier(token=TOKEN, base_url=f"{url}/slack/api/")
        with late(lambda: chat.announce(ROLLED_BACK), before=WebClient.chat_postMessage.__code__) as stopped:
            with taken_over():
                announced = chat.announce(ROLLED_BACK)
            assert stopped.wake() == "done"
        (message,) = httpx.get(f"{url}/slack/_received", trust_env=False).json()
        assert message["ts"] == announced.reference
        assert httpx.get(f"{url}/slack/_violations", trust_env=False).json() == []
