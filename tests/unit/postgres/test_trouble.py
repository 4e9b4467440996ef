"""Which complaints are the machine's, and say nothing of the file that was read; and what to do where a server lets somebody not in."""

from __future__ import annotations

import pytest

from unioneyes.adapters.postgres.grants import kept_out
from unioneyes.adapters.postgres.trouble import of_the_machine

MACHINES = (
    'pg_restore failed: error: could not execute query: ERROR:  could not extend file "base/16384/16390": No space left on device',
    "pg_restore failed: error: could not execute query: ERROR:  out of memory",
    'pg_restore failed: error: connection to server on socket "/tmp/s" failed: server closed the connection unexpectedly',
    "pg_restore failed: error: could not execute query: FATAL:  terminating connection due to administrator command",
    "pg_restore failed: error: a worker process died unexpectedly",
    "pg_restore failed: exit code -9",
    "pg_restore did not end within 1 h",
)
THE_FILES = (
    "pg_restore failed: error: could not read from input file: end of file",
    "pg_restore failed: error: did not find magic string in file header",
    'pg_restore failed: error: COPY failed for table "claims": ERROR:  missing data for column "amount"',
    'pg_restore failed: error: could not execute query: ERROR:  relation "claims" already exists',
    "pg_restore failed: exit code 1",
    'pg_restore failed: error: COPY failed for table "a": ERROR:  new row violates check constraint "b" / error: a worker process died unexpectedly',
)


@pytest.mark.parametrize("said", MACHINES)
def test_what_the_machine_lacks_makes_no_file_wrong(said: str) -> None:
    assert of_the_machine(said)


@pytest.mark.parametrize("said", THE_FILES)
def test_what_the_file_lacks_is_the_file_s(said: str) -> None:
    assert not of_the_machine(said)


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        ('FATAL:  password authentication failed for user "ue_backup"', "right password of ue_backup in [secrets]"),
        ("fe_sendauth: no password supplied", "[secrets] of environment.toml names no password of ue_backup"),
        ('FATAL:  role "ue_backup" does not exist', "ue env roles"),
        ('FATAL:  permission denied for database "unioneyes"', "GRANT CONNECT ON DATABASE unioneyes TO ue_backup"),
        ("FATAL:  permission denied to start WAL sender", "ALTER ROLE ue_backup REPLICATION"),
        ("FATAL:  must be superuser or replication role to start walsender", "ALTER ROLE ue_backup REPLICATION"),
        ('FATAL:  no pg_hba.conf entry for replication connection from host "10.0.0.1", user "ue_backup", no encryption', "pg_hba.conf"),
    ],
)
def test_whoever_is_kept_out_is_told_what_opens(said: str, remedy: str) -> None:
    assert remedy in (kept_out(said, role="ue_backup", database="unioneyes") or "")


def test_a_server_that_is_away_is_not_taken_for_one_that_keeps_somebody_out() -> None:
    assert kept_out("connection refused", role="ue_backup", database="unioneyes") is None
