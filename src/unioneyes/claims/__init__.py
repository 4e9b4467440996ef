"""The service that is operated: a small, real, multi-tenant claims service."""
