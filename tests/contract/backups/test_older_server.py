"""A backup of Debian's PostgreSQL 15, which is reached by TLS alone, by a role that is no superuser: made, proven on the wheel's 18, and restored beside."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from signal import SIGINT

import psycopg
import pytest
from pydantic import SecretStr

from tests.certificates import Authority
from tests.contract.backups.archives import archive_in
from tests.contract.backups.test_backups import NAME, ROWS, SCHEMA
from tests.contract.postgres.conftest import PASSWORD, PASSWORDS, free_port, short_folder
from unioneyes.adapters.postgres.backups import VerifiedBackups
from unioneyes.adapters.postgres.bootstrap import BACKUP, DATABASE, OWNER, bootstrap_operated
from unioneyes.adapters.postgres.privileges import unprivileged, unprivileged_child
from unioneyes.adapters.postgres.restores import RestoresBeside
from unioneyes.adapters.postgres.server import SUPERUSER, THROWAWAY, PostgresServer
from unioneyes.ports.database import BackupState, NotProvable

pytestmark = pytest.mark.stack

DEBIAN = Path("/usr/lib/postgresql/15/bin")
INITDB = ("-U", SUPERUSER, "-A", "scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8", "-N")


@dataclass(frozen=True, slots=True, kw_only=True)
class Older:
    """The server, and who vouches for it."""

    server: PostgresServer
    authority: Path

    def url(self, role: str, database: str = DATABASE) -> SecretStr:
        address = self.server.url(role=role, password=PASSWORD, database=database).get_secret_value()
        return SecretStr(f"{address}?sslmode=verify-full&sslrootcert={self.authority}")


@pytest.fixture(scope="module")
def older() -> Iterator[Older]:
    if not DEBIAN.is_dir():
        pytest.skip("Debian's PostgreSQL 15 is not installed: apt-get install postgresql-15")
    with short_folder() as folder:
        authority = Authority(folder, "vouches")
        issued, port, data, password = authority.issue("127.0.0.1"), free_port(), folder / "data", folder / "password"
        password.write_text(PASSWORD.get_secret_value())
        made = unprivileged((str(DEBIAN / "initdb"), "-D", str(data), "--pwfile", str(password), *INITDB))
        subprocess.run(made, check=True, capture_output=True, timeout=60)
        settings = {**THROWAWAY, "port": str(port), "unix_socket_directories": str(folder), "listen_addresses": "127.0.0.1", "ssl": "on"}
        settings |= {"ssl_cert_file": str(issued.certificate), "ssl_key_file": str(issued.key)}
        (data / "postgresql.auto.conf").write_text("".join(f"{name} = '{value}'\n" for name, value in settings.items()))
        (data / "pg_hba.conf").write_text("hostssl all all 127.0.0.1/32 scram-sha-256\n")
        server = PostgresServer(name="debian", folder=folder, port=port, sockets=folder)
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(unprivileged_child((str(DEBIAN / "postgres"), "-D", str(data))), stderr=log)
        try:
            until = time.monotonic() + 30
            while not server.ready():
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < until
                time.sleep(0.1)
            bootstrap_operated(server, superuser=PASSWORD, passwords=PASSWORDS)
            yield Older(server=server, authority=authority.file)
        finally:
            process.send_signal(SIGINT)
            process.wait(timeout=30)


def test_an_older_server_is_backed_up_by_tls_proven_and_restored_beside(older: Older) -> None:
    with psycopg.connect(older.url(OWNER).get_secret_value(), autocommit=True) as owner:
        owner.execute(SCHEMA.encode())
    with psycopg.connect(older.url(SUPERUSER).get_secret_value(), autocommit=True) as admin:
        admin.execute(ROWS.encode())
        assert admin.info.server_version // 10_000 == 15
    with short_folder() as folder:
        archive = archive_in(folder)
        backups = VerifiedBackups(archive=archive, database_url=older.url(BACKUP), scratch_folder=folder / "scratch", migration_names=dict)
        try:
            backups.create(NAME)
            assert backups.verify(NAME).rows == 501
        finally:
            backups.close()
        restores = RestoresBeside(admin=lambda name: older.url(SUPERUSER, name), database=DATABASE, archive=archive, data_folder=None)
        assert restores.restore_into(NAME, database="unioneyes_restore").rows == 501
        with psycopg.connect(older.url(SUPERUSER, "unioneyes_restore").get_secret_value()) as restored:
            assert restored.execute("SELECT count(*) FROM claims").fetchone() == (500,)


def test_an_extension_that_the_scratch_server_lacks_makes_a_backup_neither_verified_nor_wrong(older: Older) -> None:
    with psycopg.connect(older.url(SUPERUSER).get_secret_value(), autocommit=True) as admin:
        admin.execute("CREATE EXTENSION pgcrypto")
    with short_folder() as folder:
        made = VerifiedBackups(archive=archive_in(folder), database_url=older.url(BACKUP), scratch_folder=folder / "scratch", migration_names=dict)
        try:
            made.create(NAME)
            with pytest.raises(NotProvable, match="needs the extension pgcrypto"):
                made.verify(NAME)
            assert [backup.state for backup in made.all()] == [BackupState.TAKEN]
            assert list((folder / "scratch").glob("*/")) == []
        finally:
            made.close()
            with psycopg.connect(older.url(SUPERUSER).get_secret_value(), autocommit=True) as admin:
                admin.execute("DROP EXTENSION pgcrypto")
