"""The same on Debian's PostgreSQL 15, by TLS, with a role that is no superuser: files of 15 are recovered by 15's own programs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from tests.certificates import Authority
from tests.contract.postgres.conftest import PASSWORD, free_port, short_folder
from tests.contract.postgres.operated import DEBIAN, NEEDS_DEBIAN
from tests.contract.recovery.world import World, operated
from unioneyes.adapters.postgres.privileges import hand_over, unprivileged
from unioneyes.adapters.postgres.programs import run_program
from unioneyes.adapters.postgres.recovery.scratch import programs_of
from unioneyes.adapters.postgres.server import SUPERUSER, PostgresServer
from unioneyes.ports.recovery import NoParent, RecoveryFailed, Target, WalMode

pytestmark = [pytest.mark.stack, NEEDS_DEBIAN]


@pytest.fixture
def fifteen() -> Iterator[World]:
    with short_folder() as folder:
        authority = Authority(folder, "vouches")
        issued = authority.issue("localhost")
        issued.key.chmod(0o600)
        server = PostgresServer(name="fifteen", folder=folder / "p", port=free_port(), sockets=folder, programs=DEBIAN)
        server.folder.mkdir()
        passfile = folder / "pass"
        passfile.touch(mode=0o600)
        passfile.write_text(PASSWORD.get_secret_value())
        argv = (str(DEBIAN / "initdb"), "-D", str(server.data), "-U", SUPERUSER, "-A", "scram-sha-256", "--pwfile", str(passfile), "--no-sync", "-E", "UTF8")
        run_program(unprivileged((*argv, "--no-locale")), within=timedelta(seconds=60))
        settings = (
            f"port = {server.port}",
            "listen_addresses = '127.0.0.1'",
            f"unix_socket_directories = '{folder}'",
            "fsync = off",
            "dynamic_shared_memory_type = mmap",
            "max_slot_wal_keep_size = '512MB'",
            "ssl = on",
            f"ssl_cert_file = '{issued.certificate}'",
            f"ssl_key_file = '{issued.key}'",
        )
        with (server.data / "postgresql.conf").open("a") as conf:
            conf.write("\n".join(settings) + "\n")
        hand_over(server.data)
        with operated(World(folder=folder, server=server, mode=WalMode.RECEIVE, by_tls=authority.file)) as made:
            yield made


def test_it_is_copied_by_tls_and_recovered_by_its_own_programs(fifteen: World) -> None:
    made = fifteen.recovery.back_up("base_one", incremental=False)
    assert made.server_version.startswith("15")
    fifteen.claim(1)
    _, after = fifteen.claim(2)
    fifteen.claim(3)
    fifteen.received()
    ((kept,), last) = (fifteen.recovery.failover().exposures, fifteen.recovery.failover().last_base)
    assert (kept.keeper, kept.connected, kept.synchronous) == ("archive", True, False)
    assert last == made.ended_at
    fifteen.recovery.recover("it", fifteen.recovery.find(Target(time=after)))
    fifteen.recovery.export("it", into="back", table=None)
    assert fifteen.numbers("back") == [1, 2]
    with pytest.raises(NoParent, match="PostgreSQL 15"):
        fifteen.recovery.back_up("changes", incremental=True)
    fifteen.run("DROP TABLE claims")
    fifteen.received()
    fifteen.recovery.recover("it", fifteen.recovery.find(Target(before_drop="claims")))
    assert fifteen.recovery.export("it", into="again", table="public.claims").rows == 3


def test_files_of_a_version_that_is_not_here_are_refused_by_its_name() -> None:
    with pytest.raises(RecoveryFailed, match="PostgreSQL 16"):
        programs_of("16.4")
