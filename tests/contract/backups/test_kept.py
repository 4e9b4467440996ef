"""What stands in the store: compressed, encrypted where asked, found when it was harmed, read without us, and gone when it is deleted."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import psycopg
import pyrage
import pytest
import zstandard
from pydantic import SecretStr

from tests.contract.backups.archives import archive_in
from tests.contract.backups.test_backups import HEAD, NAME, operated, postmasters, written
from tests.contract.backups.test_cancelling import PARTED
from tests.contract.postgres.conftest import Database
from tests.contract.postgres.stopping import waits
from tests.stack import eventually
from unioneyes.adapters.postgres.archive import Archive
from unioneyes.adapters.postgres.backups import VerifiedBackups
from unioneyes.adapters.postgres.bootstrap import BACKUP, OWNER
from unioneyes.adapters.postgres.encoding import fingerprint
from unioneyes.adapters.postgres.programs import clean_environment, program
from unioneyes.ports.database import BackupFailed, BackupState, BackupUnproven, NoSuchBackup, NotProvable

__all__ = ["operated"]

pytestmark = pytest.mark.stack

KEY, OTHER = (pyrage.x25519.Identity.generate() for _ in range(2))
PUBLIC = str(KEY.to_public())
DUMP = f"{NAME}.dump.zst"


@contextmanager
def opened(operated: Database, archive: Archive, *, lock_wait: timedelta = timedelta(seconds=0.5)) -> Iterator[VerifiedBackups]:
    made = VerifiedBackups(
        archive=archive,
        database_url=operated.url(BACKUP),
        scratch_folder=archive.work,
        migration_names=lambda: {HEAD: "0000_initial"},
        lock_wait=lock_wait,
    )
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def archive(folder: Path) -> Archive:
    return archive_in(folder)


@pytest.fixture
def sealed(folder: Path) -> Archive:
    return archive_in(folder, recipients=(PUBLIC,), identity=SecretStr(str(KEY)))


def test_what_is_kept_is_the_dump_under_zstd_and_pg_restore_reads_it_without_us(operated: Database, archive: Archive, folder: Path) -> None:
    with opened(operated, archive) as backups:
        backup = backups.create(NAME)
    dump = folder / "by-hand.dump"
    with Path(backup.place).open("rb") as kept, dump.open("wb") as plain:
        zstandard.ZstdDecompressor().copy_stream(kept, plain)
    manifest = json.loads((folder / "backups" / f"{NAME}.json").read_text())
    assert dump.stat().st_size == manifest["dump_bytes"] > backup.bytes
    assert any("zstd -d" in line for line in manifest["how"])
    listed = subprocess.run([program("pg_restore"), "-l", str(dump)], env=clean_environment(), capture_output=True, text=True, timeout=30, check=True)
    assert "TABLE DATA public claims" in listed.stdout


def test_an_encrypted_backup_shows_nothing_and_is_proven_by_its_key(operated: Database, sealed: Archive, folder: Path) -> None:
    with opened(operated, sealed) as backups:
        backup = backups.create(NAME)
        assert backup.place.endswith(".dump.zst.age")
        assert backup.recipients == (fingerprint(PUBLIC),)
        content = Path(backup.place).read_bytes()
        assert content.startswith(b"age-encryption.org/v1\n")
        assert pyrage.decrypt(content, [KEY]).startswith(zstandard.FRAME_HEADER)
        assert backups.verify(NAME).rows == 501
    assert str(KEY) not in (folder / "backups" / f"{NAME}.json").read_text()


def test_without_the_key_it_is_not_provable_here_and_nobody_calls_it_verified_or_wrong(operated: Database, sealed: Archive) -> None:
    for identity, says in ((None, "nobody here has the key"), (str(OTHER), "is the key of")):
        keyless = replace(sealed, identity=None if identity is None else partial(SecretStr, identity))
        with opened(operated, keyless) as backups:
            backups.create(NAME)
            for attempt in (lambda: backups.verify(NAME), backups.require_provable, lambda: backups.describe_verify(NAME), lambda: backups.scratch_url(NAME)):
                with pytest.raises(NotProvable, match=says) as caught:
                    attempt()
                assert "identity" in caught.value.remedy
            assert [backup.state for backup in backups.all()] == [BackupState.TAKEN]
    with opened(operated, sealed) as backups:
        assert backups.verify(NAME).rows == 501


@pytest.mark.parametrize("encrypted", [False, True])
@pytest.mark.parametrize("harm", ["cut", "flip", "longer", "gone"])
def test_a_backup_that_was_harmed_is_found_before_anything_is_restored(operated: Database, folder: Path, harm: str, *, encrypted: bool) -> None:
    archive = archive_in(folder, recipients=(PUBLIC,) if encrypted else (), identity=SecretStr(str(KEY)))
    with opened(operated, archive) as backups:
        path = Path(backups.create(NAME).place)
        content = path.read_bytes()
        match harm:
            case "cut":
                path.write_bytes(content[: len(content) // 2])
            case "flip":
                path.write_bytes(content[:-50] + bytes([content[-50] ^ 1]) + content[-49:])
            case "longer":
                path.write_bytes(content + content)
            case _:
                path.unlink()
        with pytest.raises(BackupUnproven, match="not the file that was written"):
            backups.verify(NAME)
        (backup,) = backups.all()
        assert (backup.state, backup.verified_in) == (BackupState.FAILED, None)
        assert backup.wrong is not None
        assert "not the file that was written" in backup.wrong
    assert postmasters(folder) == []


def test_a_manifest_of_an_earlier_release_still_counts(operated: Database, archive: Archive, folder: Path) -> None:
    """Its dump is pg_dump's own file, and it knows nothing of what came later."""
    with opened(operated, archive) as backups:
        path = Path(backups.create(NAME).place)
        plain = zstandard.ZstdDecompressor().stream_reader(path.read_bytes()).read()
        path.unlink()
        (folder / "backups" / f"{NAME}.dump").write_bytes(plain)
        note = folder / "backups" / f"{NAME}.json"
        manifest = json.loads(note.read_text())
        for later in ("verified_at", "wrong", "compression", "recipients", "how", "dump_bytes", "program"):
            del manifest[later]
        with operated.connect() as admin:
            admin.execute("SET TimeZone = 'UTC'")
            for table in manifest["fingerprint"]["tables"]:
                del table["summed"]
                row = admin.execute(b"SELECT coalesce(sum(hashtextextended(t::text, 0)), 0)::text FROM ONLY " + table["table"].encode() + b" AS t").fetchone()
                table["hash"] = (row or ("",))[0]
        manifest |= {"format": 1, "file": f"{NAME}.dump", "bytes": len(plain), "sha256": hashlib.sha256(plain).hexdigest()}
        note.write_text(json.dumps(manifest))
        assert backups.verify(NAME).rows == 501
        backups.delete(NAME)
    assert written(folder) == set()


def test_a_deleted_backup_is_gone_and_deleting_it_again_changes_nothing(operated: Database, archive: Archive, folder: Path) -> None:
    with opened(operated, archive) as backups:
        backups.create(NAME)
        backups.create("other")
        assert any(NAME in line for line in backups.describe_delete(NAME))
        backups.delete(NAME)
        backups.delete(NAME)
        assert [backup.name for backup in backups.all()] == ["other"]
        with pytest.raises(NoSuchBackup):
            backups.verify(NAME)
    assert written(folder) == {"other.dump.zst", "other.json"}


def test_what_is_said_meanwhile_counts_tables_and_bytes(operated: Database, archive: Archive) -> None:
    said: list[str] = []
    with opened(operated, archive) as backups:
        backups.create(NAME, meanwhile=said.append)
        assert said[-1].startswith("2 of 2 tables, ")
        assert said[-1].endswith(" kept")
        backups.verify(NAME, meanwhile=said.append)


def test_names_that_are_odd_and_rows_that_are_computed_parted_or_large_come_back(operated: Database, archive: Archive) -> None:
    with operated.connect(OWNER) as owner:
        owner.execute(ODD.encode())
    with operated.connect(OWNER) as owner:
        (number,) = owner.execute("SELECT lo_from_bytea(0, decode(repeat('ab', 100000), 'hex'))").fetchone() or (0,)
    with opened(operated, archive) as backups:
        with pytest.raises(BackupFailed, match="permission denied for large object") as caught:
            backups.create(NAME)
        assert f"GRANT SELECT ON LARGE OBJECT {number} TO ue_backup" in caught.value.remedy
        with operated.connect(OWNER) as owner:
            owner.execute(f"GRANT SELECT ON LARGE OBJECT {number} TO ue_backup".encode())
        backup = backups.create(NAME)
        assert (backup.tables, backup.rows) == (6, 501 + 3 + 20 + 1)
        assert backups.verify(NAME).rows == backup.rows
        with psycopg.connect(backups.scratch_url(NAME).get_secret_value()) as copy:
            assert copy.execute("SELECT sum(length(data)) FROM pg_largeobject_metadata, lo_get(oid) AS data").fetchone() == (100000,)


def test_a_connection_that_is_cut_in_the_dump_leaves_nothing(operated: Database, archive: Archive, folder: Path) -> None:
    with operated.connect(OWNER) as owner:
        owner.execute(PARTED.encode())
    with opened(operated, archive, lock_wait=timedelta(minutes=2)) as backups, operated.connect() as blocker, blocker.transaction():
        blocker.execute("LOCK TABLE parted IN ACCESS EXCLUSIVE MODE")
        with ThreadPoolExecutor(1) as other:
            made = other.submit(backups.create, NAME)
            assert eventually(lambda: waits(operated, "pg_dump"))
            with operated.connect() as admin:
                admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pg_dump'")
            with pytest.raises(BackupFailed, match=r"pg_dump failed: .*terminat"):
                made.result(30)
        assert backups.all() == ()
    assert written(folder) == set()


ODD = """
CREATE TABLE "Ünïcode ""quoted"" 🗄" ("weiß nicht" text, doubled int GENERATED ALWAYS AS (length("weiß nicht") * 2) STORED);
INSERT INTO "Ünïcode ""quoted"" 🗄" VALUES ('ж'), (E'tab\ttab'), (NULL);
CREATE TABLE parted (n int, said text) PARTITION BY RANGE (n);
CREATE TABLE "parted low" PARTITION OF parted FOR VALUES FROM (0) TO (10);
CREATE TABLE "parted high" PARTITION OF parted FOR VALUES FROM (10) TO (20);
INSERT INTO parted SELECT n, 'row ' || n FROM generate_series(0, 19) AS n;
CREATE TABLE large (said text);
ALTER TABLE large ALTER COLUMN said SET STORAGE EXTERNAL;
INSERT INTO large SELECT repeat('x', 20000000);
"""
