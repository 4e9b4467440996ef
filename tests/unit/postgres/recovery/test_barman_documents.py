"""What Barman prints is read as far as it is used, and nothing secret of it is said again."""

from __future__ import annotations

import pytest

from unioneyes.adapters.postgres.recovery.barman.documents import Checks, Detail, without_secrets

MIB = 1 << 20
INFORMATION = {
    "backup_size_bytes": 3079168,
    "begin_lsn": "0/5000028",
    "begin_time": "2026-11-27 12:00:04.604007+00:00",
    "begin_wal": "000000010000000000000005",
    "compression": None,
    "encryption": None,
    "end_lsn": "0/6000060",
    "end_time": "2026-11-27 12:00:05.087597+00:00",
    "timeline": 1,
}


def shown(**changed: str) -> Detail:
    document = {
        "backup_id": "20261127T120004",
        "backup_name": "base_inc",
        "base_backup_information": {**INFORMATION, **changed},
        "catalog_information": {"parent_backup_id": "20261127T115859"},
        "cluster_size_bytes": 23055457,
        "postgresql_version": 180004,
        "status": "DONE",
        "tablespaces": [],
    }
    return Detail.model_validate(document)


def test_a_base_backup_is_read_to_the_microsecond_with_what_it_is_on() -> None:
    read = shown()
    assert read.base.end_time.isoformat() == "2026-11-27T12:00:05.087597+00:00"
    assert (read.place.parent_backup_id, read.server_version, read.plain) == ("20261127T115859", "18.4", True)
    assert not shown(compression="gzip").plain
    assert not shown(encryption="gpg").plain


@pytest.mark.parametrize(
    ("lsn", "name", "size"),
    [
        ("0/5000028", "000000010000000000000005", 16 * MIB),
        ("0/5000028", "000000010000000000000001", 64 * MIB),
        ("3/5000028", "000000010000000300000050", MIB),
        ("0/28", "000000010000000000000000", 16 * MIB),
    ],
)
def test_the_size_of_a_segment_follows_from_the_name_of_the_first(lsn: str, name: str, size: int) -> None:
    assert shown(begin_lsn=lsn, begin_wal=name).segment_bytes == size


def test_only_what_is_not_well_is_a_failed_item() -> None:
    checks = Checks.model_validate({"items": {"wal_level": {"hint": "", "status": "OK"}, "archiver_errors": {"hint": "2 files", "status": "FAILED"}}})
    assert {name: check.hint for name, check in checks.failed.items()} == {"archiver_errors": "2 files"}


@pytest.mark.parametrize(
    "said",
    ["could not connect: host=db password=hunter2 user=barman", "PASSWORD = 'hun\\'ter hunter2' host=db", "postgresql://barman:hunter2@db/postgres: refused"],
)
def test_a_password_in_an_address_is_not_said_again(said: str) -> None:
    assert "hunter2" not in without_secrets(said)
    assert "db" in without_secrets(said)
