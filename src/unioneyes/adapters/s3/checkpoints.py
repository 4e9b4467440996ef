"""Checkpoints as objects of a bucket, one each, none ever overwritten. Implements `ports.witness.Witness`."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from botocore.exceptions import BotoCoreError, ClientError

from unioneyes.adapters.s3.client import CONNECTIONS
from unioneyes.adapters.s3.refusals import exists_already, is_gone, unavailable
from unioneyes.kernel.clock import now
from unioneyes.ports.witness import WitnessChanged, WitnessOvertaken, WitnessUnavailable

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client
    from types_boto3_s3.type_defs import PutObjectRequestTypeDef

_DIGITS = 20
_NAME = re.compile(rf"[0-9]{{{_DIGITS}}}")
_MOST = 10**18
"""Entries that no log has."""
_PAGE = 1_000
"""Names in one listing."""
_LARGEST = 64 * 1024
"""Bytes of a checkpoint: no signed note has more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long an object can't be deleted (S3 Object Lock)."""

    mode: Literal["COMPLIANCE", "GOVERNANCE"]
    """By nobody; or by nobody without a right of its own (s3:BypassGovernanceRetention)."""
    period: timedelta


class CheckpointObjects:
    """Objects below a prefix, each named by how many entries its checkpoint covers, with leading zeros: the names' order is that of the checkpoints.

    What it relies on: a listing shows what was written before (Amazon S3 since 2020), in the order of the names, from a name on (not in S3's directory
    buckets), and a write with `If-None-Match: *` is refused where the name is taken.
    """

    def __init__(self, client: S3Client, *, bucket: str, prefix: str, retention: Retention | None = None) -> None:
        """Keep them in `bucket`, below `prefix`."""
        self._client = client
        self._bucket = bucket
        self._prefix = prefix
        self._retention = retention
        self._newest = 0
        """Where to begin to look for the last one. Only a hint: whatever the listing shows counts."""

    @property
    def place(self) -> str:
        """Where they stand, for people: `s3://BUCKET/PREFIX`."""
        return f"s3://{self._bucket}/{self._prefix}"

    def keep(self, checkpoint: str) -> None:
        """An object of its own holds the checkpoint, retained where that was asked for. Raises: WitnessOvertaken, WitnessUnavailable."""
        size = _size(checkpoint)
        if size is None:
            raise WitnessUnavailable(what="this is no checkpoint: its second line is no number", remedy="give a signed checkpoint")
        last = self._last()
        if last is not None and size <= last:
            raise self._overtaken(last, size)
        if not self._put(size, checkpoint) and self._get(size) != checkpoint:  # its own, where an answer was lost and the call repeated
            raise self._overtaken(size, size)

    def latest(self) -> str | None:
        """Return the last one: one listing and one object, once the first call has found where the end is. Raises: WitnessUnavailable, WitnessChanged."""
        last = self._last()
        return None if last is None else self._get(last)

    def since(self, size: int) -> tuple[str, ...]:
        """Return those that cover more than `size` entries. Raises: WitnessUnavailable, WitnessChanged."""
        sizes: list[int] = []
        more = True
        while more:
            found, more = self._page(after=sizes[-1] if sizes else size)
            sizes += found
        with ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="checkpoints") as pool:
            return tuple(pool.map(self._get, sizes))

    def all(self) -> tuple[str, ...]:
        """Return every one. Raises: WitnessUnavailable, WitnessChanged."""
        return self.since(-1)

    def require_write_once(self, kept: str) -> None:
        """Return when the store refuses to write `kept` once more. Raises: WitnessUnavailable, also where it would have overwritten it."""
        size = _size(kept)
        if size is None or self._put(size, kept):
            raise WitnessUnavailable(
                what=f"{self.place}: the store overwrites objects although it is asked not to (If-None-Match)",
                remedy="use a store that knows conditional writes, or none: take [audit.s3] out of environment.toml",
            )

    def _last(self) -> int | None:
        """Return how many entries the last one covers.

        The end is searched by halving, as a listing may begin behind any name: some 30 listings among millions, and one when it is near where it was.
        """
        low, high = -1, _MOST  # there is one of `low`, and none above `high`
        after = self._newest - 1  # what was the last is listed too: where it is gone, an earlier one is found
        while True:
            found, more = self._page(after=after)
            if found and not more:
                self._newest = found[-1]
                return self._newest
            if found:
                low = found[-1]
            elif after <= low:
                return low if low >= 0 else None
            else:
                high = after
            after = min((low + high) // 2, 2 * max(low, _PAGE))

    def _page(self, *, after: int) -> tuple[list[int], bool]:
        """Return which sizes are kept above `after`, in order, up to a thousand, at least one where there is one; and whether there may be more."""
        behind = self._key(after) if after >= 0 else self._prefix
        while True:
            try:
                answer = self._client.list_objects_v2(Bucket=self._bucket, Prefix=self._prefix, StartAfter=behind)
            except (BotoCoreError, ClientError) as error:
                raise self._unavailable(error) from None
            names = [each["Key"].removeprefix(self._prefix) for each in answer.get("Contents", [])]
            sizes = [int(name) for name in names if _NAME.fullmatch(name)]
            if sizes or not answer["IsTruncated"]:
                return sizes, answer["IsTruncated"]
            behind = self._prefix + names[-1]  # a thousand others, which somebody put there

    def _get(self, size: int) -> str:
        try:
            text = self._client.get_object(Bucket=self._bucket, Key=self._key(size))["Body"].read(_LARGEST).decode(errors="replace")
        except ClientError as error:
            if is_gone(error):
                raise self._changed(size, "was deleted") from None
            raise self._unavailable(error) from None
        except BotoCoreError as error:
            raise self._unavailable(error) from None
        if _size(text) != size:
            raise self._changed(size, "does not hold the checkpoint that it is named after")
        return text

    def _put(self, size: int, text: str) -> bool:
        """Return whether the object was written; False where there is one of that name."""
        request: PutObjectRequestTypeDef = {
            "Bucket": self._bucket,
            "Key": self._key(size),
            "Body": text.encode(),
            "ContentType": "text/plain; charset=utf-8",
            "IfNoneMatch": "*",
        }
        if self._retention is not None:
            request["ChecksumAlgorithm"] = "CRC32"  # what is locked is never written anew, so the store asks for it
            request["ObjectLockMode"] = self._retention.mode
            request["ObjectLockRetainUntilDate"] = now() + self._retention.period
        try:
            self._client.put_object(**request)
        except ClientError as error:
            if exists_already(error):
                return False
            raise self._unavailable(error) from None
        except BotoCoreError as error:
            raise self._unavailable(error) from None
        return True

    def _key(self, size: int) -> str:
        return f"{self._prefix}{size:0{_DIGITS}d}"

    def _unavailable(self, error: BotoCoreError | ClientError) -> WitnessUnavailable:
        return unavailable(error, bucket=self._bucket, place=self.place, retained=self._retention is not None)

    def _overtaken(self, last: int, size: int) -> WitnessOvertaken:
        return WitnessOvertaken(
            what=f"{self.place} keeps a checkpoint of {last} entries, and one of {size} comes too late",
            remedy="nothing to do: another worker has sealed more meanwhile",
        )

    def _changed(self, size: int, how: str) -> WitnessChanged:
        return WitnessChanged(what=f"{self.place}{size:0{_DIGITS}d} {how}", remedy="keep the bucket as it is, and find out who could write there")


def _size(checkpoint: str) -> int | None:
    """Return how many entries the checkpoint covers; None where it is none. Source: c2sp.org/tlog-checkpoint, the second line."""
    line = [*checkpoint.split("\n", 2), "", ""][1]
    return int(line) if re.fullmatch(r"0|[1-9][0-9]{0,17}", line) else None
