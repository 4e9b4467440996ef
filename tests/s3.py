"""A real S3 server, as a process, for whatever keeps objects: moto's, or the one that UE_TEST_VERSITYGW names."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from unioneyes.adapters.s3 import CheckpointObjects, Retention, s3_client

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

KEY, SECRET, REGION = "tests-key", "tests-secret-1234", "us-east-1"
_STARTED_WITHIN = 30.0


@dataclass(slots=True)
class S3Server:
    """The server, and somebody who may do everything there."""

    url: str
    client: S3Client
    pid: int
    made: list[str] = field(default_factory=list)

    def bucket(self, *, lock: bool = False) -> str:
        """Return a new bucket, with Object Lock where asked."""
        name = f"bucket-{len(self.made)}"
        self.client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=lock)
        self.made.append(name)
        return name

    def checkpoints(self, bucket: str | None = None, *, prefix: str = "audit/", retention: Retention | None = None) -> CheckpointObjects:
        """Return a witness as a process has it that has just started; in a bucket of its own where none is named."""
        return CheckpointObjects(self.client, bucket=bucket or self.bucket(lock=retention is not None), prefix=prefix, retention=retention)


def credentials(folder: Path, *, secret: str = SECRET) -> Path:
    """Return a file with the credentials, in the form of ~/.aws/credentials."""
    path = folder / "credentials"
    path.write_text(f"[default]\naws_access_key_id = {KEY}\naws_secret_access_key = {secret}\n")
    path.chmod(0o600)
    return path


@contextmanager
def running_s3(folder: Path) -> Iterator[S3Server]:
    """A server runs, until the block ends; it keeps in `folder` what it keeps in files."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (folder / "s3.log").open("w") as log:
        server = subprocess.Popen(_command(folder, port), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            _await(server, port, folder / "s3.log")
            url = f"http://127.0.0.1:{port}"
            yield S3Server(url, s3_client(endpoint_url=url, region=REGION, credentials_file=credentials(folder)), server.pid)
        finally:
            server.terminate()
            server.wait(20)


def _command(folder: Path, port: int) -> list[str]:
    if gateway := os.environ.get("UE_TEST_VERSITYGW"):
        data, versions = folder / "data", folder / "versions"
        data.mkdir()
        versions.mkdir()
        return [
            gateway,
            "--port",
            f"127.0.0.1:{port}",
            "--access",
            KEY,
            "--secret",
            SECRET,
            "--region",
            REGION,
            "posix",
            "--versioning-dir",
            str(versions),
            str(data),
        ]
    return [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]


def _await(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + _STARTED_WITHIN
    while time.monotonic() < until and server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(log.read_text())
