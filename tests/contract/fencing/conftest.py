"""What the resources are made of: Envoy with replicas behind it, PostgreSQL, and a store of objects."""

from tests.contract.postgres.conftest import database, folder, server
from tests.contract.replicas.conftest import service
from tests.contract.restores.test_restores import restoring
from tests.contract.traffic.conftest import edge, running_edge
from tests.contract.witness.conftest import s3

__all__ = ["database", "edge", "folder", "restoring", "running_edge", "s3", "server", "service"]
