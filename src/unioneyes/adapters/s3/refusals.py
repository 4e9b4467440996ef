"""What a store's refusals mean, and what to do about each."""

from __future__ import annotations

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, NoCredentialsError, PartialCredentialsError, SSLError
from botocore.exceptions import ConnectionError as NoConnection

from unioneyes.ports.witness import WitnessUnavailable

_PERMISSIONS = {
    "ListObjectsV2": "s3:ListBucket",
    "ListMultipartUploads": "s3:ListBucketMultipartUploads",
    **dict.fromkeys(("PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"), "s3:PutObject"),
}
_EXISTS = {"PreconditionFailed", "412"}
_BUSY = {"ConditionalRequestConflict", "SlowDown", "ServiceUnavailable", "InternalError", "RequestTimeout", "OperationAborted", "503", "500"}
_ELSEWHERE = {"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "301"}
_UNKNOWN_KEY = {"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken"}
_UNLOCKED = {"InvalidRequest", "ObjectLockConfigurationNotFoundError", "InvalidBucketObjectLockConfiguration"}
_DENIED = {"AccessDenied", "Forbidden", "403"}


def exists_already(error: ClientError) -> bool:
    """Return whether a write was refused because an object has that name."""
    return _code(error) in _EXISTS


def is_gone(error: ClientError) -> bool:
    """Return whether no object has that name."""
    return _code(error) in {"NoSuchKey", "404"}


def unavailable(error: BotoCoreError | ClientError, *, bucket: str, place: str, retained: bool) -> WitnessUnavailable:
    """Return what stood in the way at `place`, `s3://BUCKET/...`, of somebody who may have asked for an object to be `retained`."""
    what, remedy = explained(error, bucket=bucket, place=place, retained=retained)
    return WitnessUnavailable(what=f"{place}: {what}", remedy=remedy)


def explained(
    error: BotoCoreError | ClientError, *, bucket: str, place: str, retained: bool = False, section: str = "[audit.s3]", bucket_key: str = "bucket"
) -> tuple[str, str]:
    """Return what stood in the way, and what to do about it; `section` of environment.toml names the store, and its `bucket_key` the bucket."""
    return (
        _of_answer(error, bucket, place, retained=retained, section=section, bucket_key=bucket_key)
        if isinstance(error, ClientError)
        else _of_call(error, section)
    )


def _of_answer(error: ClientError, bucket: str, place: str, *, retained: bool, section: str, bucket_key: str) -> tuple[str, str]:
    code, said = _code(error), error.response.get("Error", {}).get("Message", "")
    lists, writes = error.operation_name.startswith("List"), error.operation_name == "PutObject"
    needed = _PERMISSIONS.get(error.operation_name, f"s3:{error.operation_name}") + (" and s3:PutObjectRetention" if retained and writes else "")
    whose = f"arn:aws:s3:::{bucket}" if lists else f"arn:aws:s3:::{place.removeprefix('s3://')}*"
    unlocked = f"no object can be retained there: {said}", "use a bucket with Object Lock, or take [audit.s3.retention] out of environment.toml"
    meanings = (
        (_DENIED, "access is denied", f"allow {needed} on {whose}"),
        ({"NoSuchBucket"}, f"there is no bucket {bucket}", f"make it, or correct {section} {bucket_key} in environment.toml"),
        ({"RequestTimeTooSkewed"}, "this machine's clock is too far from the store's", "set the clock: timedatectl set-ntp true"),
        (_UNKNOWN_KEY, f"the store does not accept the credentials ({code})", "renew them: aws sts get-caller-identity says who they are"),
        (_ELSEWHERE, f"the bucket is in another region ({said})", f"correct {section} region in environment.toml"),
        (_UNLOCKED if retained and writes else set[str](), *unlocked),
        (_BUSY, f"the store is busy ({code})", "nothing to do: it is tried again"),
    )
    other = f"the store refuses: {code}: {said}", "look the code up in the store's documentation"
    return next(((what, remedy) for codes, what, remedy in meanings if code in codes), other)


def _of_call(error: BotoCoreError, section: str) -> tuple[str, str]:
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return "there are no credentials", f"write them to ~/.aws/credentials, name another such file as {section} credentials_file, or give the machine a role"
    if isinstance(error, SSLError):
        return f"its certificate is not trusted: {error}", "name your own authority as ca_bundle in ~/.aws/config"
    if isinstance(error, NoConnection | HTTPClientError):
        return f"the store does not answer: {error}", "see whether it runs and can be reached; what waits is kept then"
    return str(error), f"correct {section} in environment.toml, or the credentials"


def _code(error: ClientError) -> str:
    return error.response.get("Error", {}).get("Code", "")
