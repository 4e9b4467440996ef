"""The servers that witnesses stand on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.s3 import S3Server, running_s3


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with running_s3(tmp_path_factory.mktemp("s3")) as server:
        yield server
