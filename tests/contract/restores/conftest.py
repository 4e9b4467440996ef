"""The server that the adapter's suites share."""

from tests.contract.postgres.conftest import database, folder, server

__all__ = ["database", "folder", "server"]
