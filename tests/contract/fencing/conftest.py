"""What the resources are made of: Envoy with replicas behind it, and PostgreSQL."""

from tests.contract.postgres.conftest import database, folder, server
from tests.contract.replicas.conftest import service
from tests.contract.restores.test_restores import restoring
from tests.contract.traffic.conftest import edge, running_edge

__all__ = ["database", "edge", "folder", "restoring", "running_edge", "server", "service"]
