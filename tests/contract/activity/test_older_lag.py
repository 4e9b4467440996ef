"""How far a replica of Debian's PostgreSQL 15 is behind, from both ends: each is reached by TLS alone, as a role that is no superuser."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from signal import SIGINT

import pytest

from tests.contract.postgres.conftest import free_port, short_folder
from tests.contract.postgres.operated import DEBIAN, NEEDS_DEBIAN, Operated, debian_15
from tests.stack import eventually
from unioneyes.adapters.postgres.bootstrap import OPERATOR, REPLICATION
from unioneyes.adapters.postgres.privileges import hand_over, unprivileged_child
from unioneyes.adapters.postgres.vitals import ServerVitals

pytestmark = [pytest.mark.stack, NEEDS_DEBIAN]


@pytest.fixture
def pair() -> Iterator[tuple[Operated, Operated]]:
    """A primary, and a replica that streams from it by TLS."""
    with short_folder() as folder, debian_15(folder, {"wal_level": "replica", "max_wal_senders": "5"}) as primary:
        with (folder / "data" / "pg_hba.conf").open("a") as rules:
            rules.write("hostssl replication all 127.0.0.1/32 scram-sha-256\n")
        with primary.connect() as admin:
            admin.execute("SELECT pg_reload_conf()")
        copied, port = folder / "copied", free_port()
        streams_from = f"{primary.url(REPLICATION).get_secret_value()}&application_name=copy"
        argv = (str(DEBIAN / "pg_basebackup"), "-d", streams_from, "-D", str(copied), "-X", "stream", "-c", "fast", "-C", "-S", "copy", "-R")
        subprocess.run(argv, check=True, capture_output=True, timeout=60)
        hand_over(copied)
        replica = replace(primary, server=replace(primary.server, name="copy", port=port))
        command = (str(DEBIAN / "postgres"), "-D", str(copied), "-c", f"port={port}")
        with (folder / "copied.log").open("wb") as log, subprocess.Popen(unprivileged_child(command), stderr=log) as process:
            try:
                assert eventually(replica.server.ready), (folder / "copied.log").read_text()
                yield primary, replica
            finally:
                process.send_signal(SIGINT)


def test_a_heartbeat_arrives_and_a_replica_that_is_cut_off_is_never_0_seconds_behind(pair: tuple[Operated, Operated]) -> None:
    primary, replica = pair
    vitals = ServerVitals(database_url=lambda: primary.url(OPERATOR), replica_url=lambda: replica.url(OPERATOR), data_folder=None)
    lag = vitals.lag(within=timedelta(seconds=10))
    assert lag.copy is not None
    assert lag.copy.receiver == "streaming"
    assert lag.heartbeat is not None
    assert lag.heartbeat.arrived
    assert [(each.name, each.client, each.state, each.synchronous) for each in lag.followers] == [("copy", "127.0.0.1", "streaming", "async")]
    assert [(each.name, each.active, each.wal_status) for each in lag.slots] == [("copy", True, "reserved")]
    with replica.connect() as admin:
        admin.execute("ALTER SYSTEM SET primary_conninfo = 'host=127.0.0.1 port=1'")
        admin.execute("SELECT pg_reload_conf()")

    def cut_off() -> bool:
        found = vitals.lag(within=timedelta(milliseconds=300))
        return (found.copy is not None and found.copy.receiver == "", found.heartbeat, [each.what for each in found.unknown]) == (True, None, ["seconds"])

    assert eventually(cut_off)
