"""The client: who it is, whom it asks, and for how long."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from boto3.session import Session
from botocore.config import Config
from botocore.exceptions import BotoCoreError
from botocore.session import Session as Core

from unioneyes.kernel.problems import BadInput

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

CONNECT_SECONDS, ANSWER_SECONDS = 2, 5
"""For one attempt."""
ATTEMPTS = 2
"""For one call, the first one included; what fails then is tried again by whoever called, later."""
CONNECTIONS = 16
"""At the same time, at most."""


def s3_client(
    *,
    endpoint_url: str | None = None,
    region: str | None = None,
    profile: str | None = None,
    credentials_file: Path | None = None,
    variables: bool = True,
    answer_seconds: int = ANSWER_SECONDS,
    attempts: int = ATTEMPTS,
) -> S3Client:
    """Return a client; nothing is asked yet.

    Without more, it is whoever the standard chain says: AWS_* of the process, ~/.aws, the role of the container or the machine. With
    `credentials_file`, a file in the form of ~/.aws/credentials stands in place of that one. Without `variables`, keys in AWS_* don't count.
    Raises: StoreMisconfigured.
    """
    core = Core(profile=profile)
    if credentials_file is not None:
        core.set_config_variable("credentials_file", str(credentials_file))
        if profile is None:  # what the environment says would go before the file
            core.set_config_variable("profile", "default")
    try:
        if not variables:  # after the file was named: the chain is made here
            core.get_component("credential_provider").remove("env")
        return Session(botocore_session=core, region_name=region).client(
            "s3",
            endpoint_url=endpoint_url,
            config=Config(
                connect_timeout=CONNECT_SECONDS,
                read_timeout=answer_seconds,
                retries={"mode": "standard", "total_max_attempts": attempts},
                max_pool_connections=CONNECTIONS,
                s3={"addressing_style": "path" if endpoint_url else "auto"},
                request_checksum_calculation="when_required",  # stores other than Amazon's do not know all of them
                response_checksum_validation="when_required",
            ),
        )
    except (BotoCoreError, ValueError) as error:
        raise StoreMisconfigured(what=f"no client for the object store can be made: {error}", remedy="correct endpoint_url, region, profile") from None


class StoreMisconfigured(BadInput):
    """What is said of the object store makes no sense."""
