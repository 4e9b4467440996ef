"""What a store refuses is told with what to do about it."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from unioneyes.adapters.s3.refusals import exists_already, is_gone, unavailable


def refused(code: str, operation: str, *, retained: bool = False) -> tuple[str, str]:
    error = ClientError({"Error": {"Code": code, "Message": "as the store says"}}, operation)
    problem = unavailable(error, bucket="acme", place="s3://acme/audit/", retained=retained)
    assert problem.retryable
    return problem.what, problem.remedy


@pytest.mark.parametrize(
    ("operation", "retained", "remedy"),
    [
        ("ListObjectsV2", False, "allow s3:ListBucket on arn:aws:s3:::acme"),
        ("GetObject", True, "allow s3:GetObject on arn:aws:s3:::acme/audit/*"),
        ("PutObject", False, "allow s3:PutObject on arn:aws:s3:::acme/audit/*"),
        ("PutObject", True, "allow s3:PutObject and s3:PutObjectRetention on arn:aws:s3:::acme/audit/*"),
    ],
)
def test_the_right_that_is_missing_is_named(operation: str, retained: bool, remedy: str) -> None:  # noqa: FBT001 - a parameter
    assert refused("AccessDenied", operation, retained=retained) == ("s3://acme/audit/: access is denied", remedy)


@pytest.mark.parametrize(
    ("code", "what", "remedy"),
    [
        ("NoSuchBucket", "there is no bucket acme", "[audit.s3] bucket"),
        ("RequestTimeTooSkewed", "clock is too far", "set the clock"),
        ("InvalidAccessKeyId", "does not accept the credentials", "renew them"),
        ("ExpiredToken", "does not accept the credentials", "renew them"),
        ("PermanentRedirect", "in another region", "[audit.s3] region"),
        ("SlowDown", "is busy", "tried again"),
        ("Unheard", "the store refuses: Unheard: as the store says", "documentation"),
    ],
)
def test_other_refusals_are_told(code: str, what: str, remedy: str) -> None:
    told = refused(code, "PutObject")
    assert what in told[0]
    assert remedy in told[1]


def test_a_bucket_without_object_lock_is_told_to_whoever_retains_and_to_nobody_else() -> None:
    assert "no object can be retained there" in refused("InvalidRequest", "PutObject", retained=True)[0]
    assert "the store refuses: InvalidRequest" in refused("InvalidRequest", "PutObject")[0]
    assert "the store refuses: InvalidRequest" in refused("InvalidRequest", "GetObject", retained=True)[0]


def test_a_name_that_is_taken_and_one_that_is_free() -> None:
    taken, gone = (ClientError({"Error": {"Code": code}}, "PutObject") for code in ("PreconditionFailed", "NoSuchKey"))
    assert (exists_already(taken), exists_already(gone)) == (True, False)
    assert (is_gone(taken), is_gone(gone)) == (False, True)
