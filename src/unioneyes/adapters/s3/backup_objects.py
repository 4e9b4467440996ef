"""Backups as objects of a bucket. Implements `ports.backup_store.BackupStore`: written in parts, which are gone again where they do not become a whole."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from unioneyes.adapters.s3.refusals import explained, is_gone
from unioneyes.kernel.units import format_bytes
from unioneyes.ports.backup_store import LARGEST_NOTE, NoSuchFile, Sink, Source, StoreFull, StoreUnavailable

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from types_boto3_s3.client import S3Client
    from types_boto3_s3.type_defs import CompletedPartTypeDef

_PART = 16 * 1024 * 1024
"""Bytes of one of the first thousand parts; each thousand has larger ones, for there may be no more than ten thousand."""
_GROWS_EVERY = 1_000
_MOST_PARTS = 10_000
"""Source: Amazon S3, "Multipart upload limits"."""
ANSWER_SECONDS, ATTEMPTS = 120, 4
"""What a client for backups waits and tries: a store takes its time to make a whole of many parts, and a cut connection is no reason to begin a backup anew."""


class BackupObjects:
    """Objects below a prefix, by the files' names."""

    def __init__(self, client: S3Client, *, bucket: str, prefix: str) -> None:
        """Keep them in `bucket`, below `prefix`, which is empty or ends with a slash."""
        self._client = client
        self._bucket = bucket
        self._prefix = prefix

    @property
    def place(self) -> str:
        """Where they are: `s3://BUCKET/PREFIX`."""
        return f"s3://{self._bucket}/{self._prefix}"

    def address(self, name: str) -> str:
        """Return how a person names the object."""
        return f"{self.place}{name}"

    def names(self) -> tuple[str, ...]:
        """Return the names of all whole objects. Raises: StoreUnavailable."""
        with self._told():
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix, Delimiter="/")
            return tuple(sorted(each["Key"].removeprefix(self._prefix) for page in pages for each in page.get("Contents", ())))

    def free(self) -> int | None:
        """Return None: a store does not say."""
        return None

    def note(self, name: str) -> bytes | None:
        """Return a small object; None when there is none. Raises: StoreUnavailable."""
        try:
            with self.reading(name) as source:
                return source.read(LARGEST_NOTE)
        except NoSuchFile:
            return None

    def keep_note(self, name: str, content: bytes) -> None:
        """The object holds `content`, in place of what it held. Raises: StoreUnavailable."""
        with self._told():
            self._client.put_object(Bucket=self._bucket, Key=self._key(name), Body=content, ContentMD5=_md5(content), ContentType="application/json")

    @contextmanager
    def writing(self, name: str) -> Iterator[Sink]:
        """Give what takes the object's content; see the port. Raises: StoreUnavailable, StoreFull."""
        self._abort_all(name)
        with self._told():
            upload = self._client.create_multipart_upload(Bucket=self._bucket, Key=self._key(name), ContentType="application/octet-stream")["UploadId"]
        parts = _Parts(self, self._key(name), upload)
        try:
            yield parts
            parts.finish()
        except BaseException:
            with suppress(BotoCoreError, ClientError):  # whoever writes it next aborts what is left
                self._client.abort_multipart_upload(Bucket=self._bucket, Key=self._key(name), UploadId=upload)
            raise

    @contextmanager
    def reading(self, name: str) -> Iterator[Source]:
        """Give the object's content. Raises: NoSuchFile, StoreUnavailable."""
        try:
            body = self._client.get_object(Bucket=self._bucket, Key=self._key(name))["Body"]
        except (BotoCoreError, ClientError) as error:
            if isinstance(error, ClientError) and is_gone(error):
                raise NoSuchFile(what=f"{self.address(name)} is not there", remedy="ue backup list shows what is") from None
            raise self._refused(error) from None
        try:
            yield _Body(self, body)
        finally:
            body.close()

    def delete(self, name: str) -> None:
        """The object is gone, and what an attempt to write it left. Raises: StoreUnavailable."""
        self._abort_all(name)
        with self._told():
            self._client.delete_object(Bucket=self._bucket, Key=self._key(name))

    def part(self, key: str, upload: str, number: int, content: bytes) -> str:
        """The store has a part; return its tag. Raises: StoreUnavailable."""
        with self._told():
            return self._client.upload_part(Bucket=self._bucket, Key=key, UploadId=upload, PartNumber=number, Body=content, ContentMD5=_md5(content))["ETag"]

    def complete(self, key: str, upload: str, parts: list[CompletedPartTypeDef]) -> None:
        """The parts are an object. Raises: StoreUnavailable."""
        with self._told():
            self._client.complete_multipart_upload(Bucket=self._bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts})

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (BotoCoreError, ClientError) as error:
            raise self._refused(error) from None

    def _refused(self, error: BotoCoreError | ClientError) -> StoreUnavailable:
        what, remedy = explained(error, bucket=self._bucket, place=self.place, section="[backup]", bucket_key="to")
        return StoreUnavailable(what=f"{self.place}: {what}", remedy=remedy)

    def _abort_all(self, name: str) -> None:
        """No part is left of an attempt to write the object."""
        key = self._key(name)
        with self._told():
            for page in self._client.get_paginator("list_multipart_uploads").paginate(Bucket=self._bucket, Prefix=key):
                for each in page.get("Uploads", ()):
                    if each["Key"] == key:
                        self._client.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=each["UploadId"])

    def _key(self, name: str) -> str:
        return f"{self._prefix}{name}"


class _Parts:
    """Gathers what it is given, and uploads it part by part: one part is in memory at a time."""

    def __init__(self, store: BackupObjects, key: str, upload: str) -> None:
        self._store, self._key, self._upload = store, key, upload
        self._held = bytearray()
        self._done: list[CompletedPartTypeDef] = []

    def write(self, content: bytes, /) -> int:
        self._held += content
        while len(self._held) >= self._size:
            self._send(self._size)
        return len(content)

    def finish(self) -> None:
        if self._held or not self._done:
            self._send(len(self._held))
        self._store.complete(self._key, self._upload, self._done)

    @property
    def _size(self) -> int:
        """Bytes of the next part."""
        return _PART * (1 + len(self._done) // _GROWS_EVERY)

    def _send(self, size: int) -> None:
        if len(self._done) == _MOST_PARTS:
            raise StoreFull(what=f"{self._store.place}: a backup of more than {format_bytes(_LARGEST)} fits into no object", remedy="keep backups in a folder")
        part, self._held = bytes(self._held[:size]), self._held[size:]
        number = len(self._done) + 1
        self._done.append({"PartNumber": number, "ETag": self._store.part(self._key, self._upload, number, part)})


_LARGEST = sum(_PART * (1 + number // _GROWS_EVERY) for number in range(_MOST_PARTS))


class _Body:
    """Reads an object; what goes wrong in its middle is told as the store's."""

    def __init__(self, store: BackupObjects, body: StreamingBody) -> None:
        self._store, self._body = store, body

    def read(self, size: int = -1, /) -> bytes:
        with self._store._told():  # noqa: SLF001 - its own other half
            return self._body.read(None if size < 0 else size)


def _md5(content: bytes) -> str:
    """Return the sum by which a store finds out that a part changed on its way."""
    return base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()
