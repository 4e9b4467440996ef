"""What only objects of a bucket do: nothing is overwritten, whoever writes; what was changed there is told; and so is what stands in the way."""

from __future__ import annotations

import os
import socket
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contract.witness.notes import note
from tests.s3 import REGION, S3Server, credentials
from unioneyes.adapters.s3 import CheckpointObjects, Retention, s3_client
from unioneyes.ports.witness import WitnessChanged, WitnessOvertaken, WitnessUnavailable

ON_GATEWAY = "UE_TEST_VERSITYGW" in os.environ


def test_each_is_an_object_below_the_prefix_named_by_its_size(s3: S3Server) -> None:
    bucket = s3.bucket()
    for prefix in ("unioneyes/local/", "other/"):
        s3.checkpoints(bucket, prefix=prefix).keep(note(42))
    names = [each["Key"] for each in s3.client.list_objects_v2(Bucket=bucket)["Contents"]]
    assert names == ["other/00000000000000000042", "unioneyes/local/00000000000000000042"]
    assert s3.client.get_object(Bucket=bucket, Key=names[1])["Body"].read().decode() == note(42)


@pytest.mark.skipif(not ON_GATEWAY, reason="moto's server looks first and writes then; `make object-store` asks one that does both at once")
def test_of_those_who_write_the_same_size_at_once_one_is_kept(s3: S3Server) -> None:
    bucket = s3.bucket()
    notes = [note(7, root=root) for root in range(8)]

    def keep(text: str) -> bool:
        try:
            s3.checkpoints(bucket).keep(text)
        except WitnessOvertaken:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        kept = list(pool.map(keep, notes))
    assert kept.count(True) == 1
    assert s3.checkpoints(bucket).all() == (notes[kept.index(True)],)


def test_a_repeated_call_whose_answer_was_lost_has_kept_it(s3: S3Server) -> None:
    """The store took the object, and the client, which heard nothing, writes it again."""
    bucket = s3.bucket()
    witness = s3.checkpoints(bucket)
    witness.keep(note(1))

    def answer_lost(**_: object) -> None:
        s3.client.meta.events.unregister("before-call.s3.PutObject", answer_lost)
        s3.client.put_object(Bucket=bucket, Key="audit/00000000000000000002", Body=note(2).encode())

    s3.client.meta.events.register("before-call.s3.PutObject", answer_lost)
    witness.keep(note(2))
    assert witness.all() == (note(1), note(2))


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sets(st.integers(0, 10**17), min_size=1, max_size=4), st.booleans())
def test_the_last_is_found_wherever_it_is(s3: S3Server, sizes: set[int], again: bool) -> None:  # noqa: FBT001 - a property's parameter
    bucket = s3.bucket()
    witness = s3.checkpoints(bucket)
    for size in sorted(sizes):
        witness.keep(note(size))
    assert (witness if again else s3.checkpoints(bucket)).latest() == note(max(sizes))


def test_the_last_of_many_is_found_with_few_listings(s3: S3Server) -> None:
    bucket = s3.bucket()
    count = 1_200
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda size: s3.client.put_object(Bucket=bucket, Key=f"audit/{size:020d}", Body=note(size).encode()), range(0, 3 * count, 3)))
    listings: list[str] = []
    s3.client.meta.events.register("before-call.s3.ListObjectsV2", lambda **_: listings.append("one"), unique_id="count")
    try:
        witness = s3.checkpoints(bucket)
        assert witness.latest() == note(3 * count - 3)
        assert len(listings) <= 12
        listings.clear()
        witness.keep(note(3 * count))
        assert witness.latest() == note(3 * count)
        assert len(listings) == 2, "one listing each, from where the end was"
        assert len(witness.since(100)) == count - 33
    finally:
        s3.client.meta.events.unregister("before-call.s3.ListObjectsV2", unique_id="count")


def test_what_others_put_there_is_no_checkpoint(s3: S3Server) -> None:
    bucket = s3.bucket()
    for name in ("README", "00000000000000000003.bak", "0", "zzz", "99999999999999999999x"):
        s3.client.put_object(Bucket=bucket, Key=f"audit/{name}", Body=b"a diary")
    witness = s3.checkpoints(bucket)
    assert (witness.latest(), witness.all()) == (None, ())
    witness.keep(note(3))
    assert s3.checkpoints(bucket).latest() == note(3)


@pytest.mark.parametrize(
    "text", [b"", b"a diary\n\n", note(2).encode(), b"x\n3x\n", b"\xff" * 100_000], ids=["empty", "other", "of another size", "no size", "long"]
)
def test_an_object_that_was_overwritten_is_told(s3: S3Server, text: bytes) -> None:
    bucket = s3.bucket()
    witness = s3.checkpoints(bucket)
    witness.keep(note(3))
    s3.client.put_object(Bucket=bucket, Key="audit/00000000000000000003", Body=text)
    for read in (witness.latest, witness.all):
        with pytest.raises(WitnessChanged, match="audit/00000000000000000003 does not hold the checkpoint that it is named after"):
            read()


def test_where_the_last_was_deleted_the_one_before_it_is_the_last(s3: S3Server) -> None:
    bucket = s3.bucket()
    witness = s3.checkpoints(bucket)
    for size in (1, 2, 3):
        witness.keep(note(size))
    s3.client.delete_object(Bucket=bucket, Key="audit/00000000000000000003")
    assert witness.latest() == s3.checkpoints(bucket).latest() == note(2)
    for size in (1, 2):
        s3.client.delete_object(Bucket=bucket, Key=f"audit/{size:020d}")
    assert witness.latest() is None


@pytest.mark.parametrize("mode", ["COMPLIANCE", "GOVERNANCE"])
def test_what_is_retained_cannot_be_deleted_for_good(s3: S3Server, mode: str) -> None:
    retention = Retention(mode="COMPLIANCE" if mode == "COMPLIANCE" else "GOVERNANCE", period=timedelta(days=30))
    bucket = s3.bucket(lock=True)
    s3.checkpoints(bucket, retention=retention).keep(note(1))
    (version,) = s3.client.list_object_versions(Bucket=bucket)["Versions"]
    kept = s3.client.head_object(Bucket=bucket, Key=version["Key"])
    assert kept["ObjectLockMode"] == mode
    assert timedelta(days=29) < kept["ObjectLockRetainUntilDate"] - datetime.now(UTC) <= timedelta(days=30)
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.client.delete_object(Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"])


def test_a_bucket_that_retains_nothing_is_told(s3: S3Server) -> None:
    witness = s3.checkpoints(s3.bucket(), retention=Retention(mode="GOVERNANCE", period=timedelta(days=1)))
    with pytest.raises(WitnessUnavailable, match="no object can be retained there") as refused:
        witness.keep(note(1))
    assert "Object Lock" in refused.value.remedy


def test_a_store_that_writes_once_is_accepted_and_one_that_overwrites_is_not(s3: S3Server) -> None:
    witness = s3.checkpoints()
    witness.keep(note(1))
    witness.require_write_once(note(1))
    s3.client.meta.events.register("before-call.s3.PutObject", _forget_condition, unique_id="forget")  # as a store that does not know the header
    try:
        with pytest.raises(WitnessUnavailable, match="the store overwrites objects although it is asked not to"):
            witness.require_write_once(note(1))
    finally:
        s3.client.meta.events.unregister("before-call.s3.PutObject", unique_id="forget")


def _forget_condition(params: dict[str, dict[str, str]], **_: object) -> None:
    params["headers"].pop("If-None-Match")


def test_a_bucket_that_is_not_there_is_told(s3: S3Server) -> None:
    witness = s3.checkpoints("nowhere")
    for call in (witness.latest, witness.all, lambda: witness.keep(note(1))):
        with pytest.raises(WitnessUnavailable, match="there is no bucket nowhere") as refused:
            call()
        assert "[audit.s3] bucket" in refused.value.remedy


def test_a_store_that_is_away_is_told_within_its_time_limits(tmp_path: Path) -> None:
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        client = s3_client(endpoint_url=f"http://127.0.0.1:{taken.getsockname()[1]}", region=REGION, credentials_file=credentials(tmp_path))
        witness = CheckpointObjects(client, bucket="any", prefix="audit/")
        for call in (witness.latest, witness.all, lambda: witness.keep(note(1))):
            with pytest.raises(WitnessUnavailable, match="the store does not answer"):
                call()


def test_without_credentials_the_places_for_them_are_named(s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    (tmp_path / "empty").write_text("[default]\n")
    client = s3_client(endpoint_url=s3.url, region=REGION, credentials_file=tmp_path / "empty")
    with pytest.raises(WitnessUnavailable, match="there are no credentials") as refused:
        CheckpointObjects(client, bucket="any", prefix="audit/").latest()
    assert "credentials_file" in refused.value.remedy


@pytest.mark.skipif(not ON_GATEWAY, reason="moto's server believes everybody; `make object-store` asks one that does not")
def test_wrong_credentials_are_told(s3: S3Server, tmp_path: Path) -> None:
    client = s3_client(endpoint_url=s3.url, region=REGION, credentials_file=credentials(tmp_path, secret="wrong"))
    with pytest.raises(WitnessUnavailable, match="does not accept the credentials"):
        CheckpointObjects(client, bucket=s3.bucket(), prefix="audit/").latest()
