"""A way into a running server for every role."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
import psycopg
from pydantic import TypeAdapter

from tests.stack import RunningStack
from unioneyes.environments import locate
from unioneyes.environments.local.stack import open_stack
from unioneyes.kernel.access import Role
from unioneyes.kernel.ids import new_id
from unioneyes.runbook.views import TokenMade

_MADE = TypeAdapter(TokenMade)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """The server, and a way in for every role."""

    stack: RunningStack
    client: httpx.Client
    """With the environment's own token."""
    server: str
    """Its address."""
    by_role: dict[Role, str] = field(default_factory=dict)

    def make(self, *roles: Role, name: str | None = None, lasts: float = 3600) -> str:
        """Return the secret of a new token."""
        body = {"name": name or f"x{secrets.token_hex(6)}", "roles": list(roles), "lasts": lasts}
        made = self.client.post("/tokens", json=body)
        assert made.status_code == 201, made.text
        return _MADE.validate_json(made.content).secret

    def of(self, role: Role) -> str:
        if role not in self.by_role:
            self.by_role[role] = self.make(role)
        return self.by_role[role]

    def ask(self, token: str, method: str, path: str, body: object = None) -> httpx.Response:
        return self.client.request(method, path, json=body, headers={"Authorization": f"Bearer {token}"})

    @contextmanager
    def ended_run(self, runbook: str) -> Iterator[str]:
        """Give a run of the runbook that was begun and has ended: it stands in the database meanwhile, and nothing was done for it."""
        run = new_id("walked")
        with psycopg.connect(open_stack(self.stack.home).control_database_url.get_secret_value(), autocommit=True) as connection:
            connection.execute(
                """
                INSERT INTO ue.runs (id, runbook, summary, status, service, requested_by, request, plan, plan_hash, parks, enqueued_at, started_at, ended_at)
                VALUES (%s, %s, 'walked past', 'done', 'unioneyes-web', 'engineer', '{}', '{}', '', false, now(), now(), now())
                """,
                (run, runbook),
            )
            try:
                yield run
            finally:
                connection.execute("DELETE FROM ue.runs WHERE id = %s", (run,))


@contextmanager
def access_to(stack: RunningStack) -> Iterator[Access]:
    """Give a way into the stack's server, with the environment's own token, as the engineer."""
    address = locate("local", stack.home)
    headers = {"Authorization": f"Bearer {address.token.get_secret_value()}", "UE-User": "engineer"}
    with httpx.Client(base_url=f"{address.url}/api/v1", headers=headers, timeout=60, trust_env=False) as client:
        yield Access(stack=stack, client=client, server=address.url)
