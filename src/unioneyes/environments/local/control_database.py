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
    """The engine's database and the role that owns it exist. Safe to repeat. Raises: DatabaseUnavailable."""
    url = stack.control_server.url(role=SUPERUSER, password=stack.secrets.superuser, database="postgres")
    with connection(url, name="ue-bootstrap", statement_limit=_LIMIT) as admin:
        admin.execute(files(__package__).joinpath("control_role.sql").read_text())
        set_password(admin, CONTROL_ROLE, stack.secrets.ue_control)
        create_database(admin, CONTROL_DATABASE, owner=CONTROL_ROLE)
