"""The claims service's own servers, for suites that run releases against each other's schemas."""

from tests.contract.claims.conftest import database, identities, new_database, postgres, replicas

__all__ = ["database", "identities", "new_database", "postgres", "replicas"]
