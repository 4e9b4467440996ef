"""`ue serve` says in the incidents channel that its audit log is late, and that it is well again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import httpx
import psycopg
import pytest

from tests.contract.console.conftest import Alone
from tests.stack import eventually
from unioneyes.environments.local.layout import Layout
from unioneyes.environments.local.ports import keep_ports
from unioneyes.simulators.serving import served
from unioneyes.simulators.vendors import application

pytestmark = pytest.mark.stack

LATE = "INSERT INTO ue.audit_entries (entry, appended_at) VALUES ('{\"action\": \"late\"}', now() - interval '2 minutes')"


@pytest.fixture
def slack(alone: Alone) -> Iterator[str]:
    layout, before = Layout(alone.home), alone.stack.ports
    token = alone.stack.secrets.slack_token
    with served(lambda url: application(layout.vendors, url=url, slack_token=token)) as url:
        keep_ports(layout.ports, replace(before, vendors=int(url.rpartition(":")[2])))
        yield f"{url}/slack"
        keep_ports(layout.ports, before)


def told(slack: str) -> list[str]:
    return [each["text"].split("\n")[0] for each in httpx.get(f"{slack}/_received", trust_env=False).json()]


def test_an_entry_that_waits_too_long_is_told_and_that_it_does_not_any_more_too(alone: Alone, slack: str) -> None:
    control = alone.stack.control_database_url.get_secret_value()
    with alone.serving(""):
        with psycopg.connect(control) as older, psycopg.connect(control, autocommit=True) as connection:
            older.execute("SELECT pg_current_xact_id()")  # it might still append: what is younger waits for it
            connection.execute(LATE)
            assert eventually(lambda: told(slack) == ["AUDIT LOG IN TROUBLE: local"], within=60), told(slack)
        assert eventually(lambda: len(told(slack)) > 1, within=60)
    assert told(slack) == ["AUDIT LOG IN TROUBLE: local", "AUDIT LOG WELL AGAIN: local"]
    assert not Layout(alone.home).alarm.exists()
