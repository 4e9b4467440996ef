"""The contract of the port `BackupStore`: one suite for a folder, and for a bucket of a real S3 server."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.s3 import S3Server, running_s3
from unioneyes.adapters.files import BackupFolder
from unioneyes.adapters.s3 import BackupObjects
from unioneyes.adapters.s3.backup_objects import _PART
from unioneyes.ports.backup_store import BackupStore, NoSuchFile, StoreFull, StoreUnavailable

pytestmark = pytest.mark.stack

NAME = "unioneyes_20260209.dump.zst"


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with running_s3(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> BackupStore:
    if request.param == "folder":
        return BackupFolder(tmp_path / "backups")
    s3: S3Server = request.getfixturevalue("s3")
    return BackupObjects(s3.client, bucket=s3.bucket(), prefix="nightly/")


def kept(store: BackupStore, name: str = NAME) -> bytes:
    read = bytearray()
    with store.reading(name) as source:
        while piece := source.read(1_000_000):
            read += piece
    return bytes(read)


def broken_off(store: BackupStore, content: bytes, by: BaseException) -> None:
    with store.writing(NAME) as sink:
        sink.write(content)
        raise by


def test_a_file_stands_when_its_block_has_ended_and_not_before(store: BackupStore) -> None:
    assert (store.names(), store.note(NAME)) == ((), None)
    with store.writing(NAME) as sink:
        assert sink.write(b"one ") == 4
        assert store.names() == ()
        sink.write(b"two")
    assert store.names() == (NAME,)
    assert kept(store) == b"one two"
    assert store.address(NAME).startswith(store.place)


def test_a_large_one_is_the_same_to_the_byte(store: BackupStore) -> None:
    content = bytes(range(256)) * (2 * _PART // 256) + b"and a rest"
    with store.writing(NAME) as sink:
        for start in range(0, len(content), 777_777):
            sink.write(content[start : start + 777_777])
    assert kept(store) == content


def test_an_exception_leaves_nothing_and_what_stood_there_stands(store: BackupStore) -> None:
    with pytest.raises(KeyboardInterrupt):
        broken_off(store, b"x" * (_PART + 1), KeyboardInterrupt())
    assert store.names() == ()
    with store.writing(NAME) as sink:
        sink.write(b"whole")
    with pytest.raises(RuntimeError):
        broken_off(store, b"half", RuntimeError())
    assert kept(store) == b"whole"


def test_a_note_is_replaced_as_a_whole(store: BackupStore) -> None:
    store.keep_note("a.json", b"one")
    store.keep_note("a.json", b"two")
    assert (store.note("a.json"), store.note("b.json")) == (b"two", None)


def test_what_is_deleted_is_gone_and_deleting_it_again_changes_nothing(store: BackupStore) -> None:
    store.keep_note("a.json", b"one")
    store.delete("a.json")
    store.delete("a.json")
    assert store.names() == ()
    with pytest.raises(NoSuchFile), store.reading("a.json"):
        pass


def test_what_a_killed_process_left_of_an_upload_is_gone_with_the_next_one(s3: S3Server) -> None:
    bucket = s3.bucket()
    store = BackupObjects(s3.client, bucket=bucket, prefix="")
    for key in (NAME, f"{NAME}.other"):
        upload = s3.client.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
        s3.client.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=1, Body=b"half")
    with store.writing(NAME) as sink:
        sink.write(b"whole")
    assert [each["Key"] for each in s3.client.list_multipart_uploads(Bucket=bucket).get("Uploads", [])] == [f"{NAME}.other"], "another one's is left alone"
    assert kept(store) == b"whole"


def test_objects_below_other_prefixes_are_others(s3: S3Server) -> None:
    bucket = s3.bucket()
    ours, theirs = (BackupObjects(s3.client, bucket=bucket, prefix=prefix) for prefix in ("a/", "a/b/"))
    theirs.keep_note("x.json", b"theirs")
    assert ours.names() == ()


def test_a_bucket_that_is_not_there_is_named_with_what_to_do(s3: S3Server) -> None:
    store = BackupObjects(s3.client, bucket="no-such-bucket", prefix="")
    for attempt in (store.names, lambda: store.keep_note("a.json", b""), lambda: store.delete("a.json"), lambda: store.writing(NAME).__enter__()):
        with pytest.raises(StoreUnavailable, match="no bucket no-such-bucket") as caught:
            attempt()
        assert "[backup]" in caught.value.remedy


def test_a_folder_is_its_owner_s_and_so_are_its_files(tmp_path: Path) -> None:
    store = BackupFolder(tmp_path / "deep" / "backups")
    assert store.free()
    store.keep_note("a.json", b"{}")
    assert [(tmp_path / "deep" / "backups" / place).stat().st_mode & 0o777 for place in (".", "a.json")] == [0o700, 0o600]


def test_a_folder_that_is_full_says_so_and_keeps_nothing(tmp_path: Path) -> None:
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(tmp_path)], capture_output=True, timeout=10, check=False)
    if mounted.returncode != 0:
        pytest.skip("a small file system can't be mounted here")
    try:
        store = BackupFolder(tmp_path)
        with pytest.raises(StoreFull, match="No space left") as caught, store.writing(NAME) as sink:
            sink.write(b"x" * 100_000)
        assert "prune" in caught.value.remedy
        assert list(tmp_path.iterdir()) == []
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True, timeout=10)


def test_a_folder_that_is_a_file_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "backups").write_text("")
    store = BackupFolder(tmp_path / "backups")
    for attempt in (store.names, lambda: store.keep_note("a.json", b"")):
        with pytest.raises(StoreUnavailable, match="backups"):
            attempt()
