"""The engine's own database, on the control server."""

from __future__ import annotations

from datetime import timedelta
from importlib.resources import files

from unioneyes.adapters.postgres.bootstrap import create_database, set_password
from unioneyes.adapters.postgres.connections import connection
from unioneyes.adapters.postgres.server import SUPERUSER
from unioneyes.environments.local.stack import CONTROL_DATABASE, CONTROL_ROLE, Stack

_LIMIT = timedelta(seconds=20)


def bootstrap_control(stack: Stack) -> None:
    """The engine's database and the role that owns it exist, with the engine's tables. Safe to repeat. Raises: DatabaseUnavailable, ControlDatabaseUnavailable.

    The server would make the tables too, and keep the 9 MiB that this takes for as long as it runs.
    """
    from unioneyes.runbook.store.database import ControlDatabase  # noqa: PLC0415 - loads SQLAlchemy, which no other command on the stack needs
    from unioneyes.runbook.store.schema import migrate  # noqa: PLC0415 - the same

    url = stack.control_server.url(role=SUPERUSER, password=stack.secrets.superuser, database="postgres")
    with connection(url, name="ue-bootstrap", statement_limit=_LIMIT) as admin:
        admin.execute(files(__package__).joinpath("control_role.sql").read_text())
        set_password(admin, CONTROL_ROLE, stack.secrets.ue_control)
        create_database(admin, CONTROL_DATABASE, owner=CONTROL_ROLE)
    database = ControlDatabase(stack.control_database_url, name="ue-up")
    try:
        migrate(database)
    finally:
        database.close()
