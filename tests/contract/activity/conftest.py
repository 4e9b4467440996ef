"""The servers on which the sessions' port is tried: the wheel's PostgreSQL 18, and Debian's 15, which is reached by TLS alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.postgres.conftest import PASSWORD, PASSWORDS, free_port, short_folder
from tests.contract.postgres.operated import NEEDS_DEBIAN, Operated, debian_15
from unioneyes.adapters.postgres.bootstrap import OWNER, bootstrap_operated
from unioneyes.adapters.postgres.server import THROWAWAY, PostgresServer


@pytest.fixture(scope="session", params=["18", pytest.param("15 by TLS", marks=NEEDS_DEBIAN)])
def operated(request: pytest.FixtureRequest) -> Iterator[Operated]:
    with short_folder() as folder:
        if request.param == "18":
            server = PostgresServer(name="suite", folder=folder, port=free_port(), sockets=folder, settings=THROWAWAY)
            server.initialise(PASSWORD)
            with server.running_meanwhile():
                bootstrap_operated(server, superuser=PASSWORD, passwords=PASSWORDS)
                yield Operated(server=server, authority=None)
        else:
            with debian_15(folder) as made:
                yield made


@pytest.fixture
def table(operated: Operated) -> Iterator[str]:
    with operated.connect(OWNER) as owner:
        owner.execute("GRANT USAGE ON SCHEMA public TO claims_app")
        owner.execute("CREATE TABLE members (id int PRIMARY KEY, name text); GRANT ALL ON members TO claims_app; INSERT INTO members VALUES (1, 'one')")
        yield "public.members"
        owner.execute("DROP TABLE members")
