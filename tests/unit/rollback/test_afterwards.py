"""A report that can't be written fails no rollback: the members are back, and people are told all the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from unioneyes.adapters.files import MarkdownFolder
from unioneyes.kernel.redaction import Redactor
from unioneyes.operations.rollback.afterwards import after
from unioneyes.operations.rollback.model import Account, Afterwards
from unioneyes.operations.rollback.steps import tell_stakeholders, write_incident_report
from unioneyes.ports.environment import Environment, Facts
from unioneyes.ports.notifier import Announced, Announcement
from unioneyes.runbook.definition import Definition, collect, runbook
from unioneyes.runbook.direct.journal import DirectJournal
from unioneyes.runbook.direct.run import Order, begin
from unioneyes.runbook.plan import Plan

AT = datetime(2026, 2, 9, 14, 30, tzinfo=UTC)
PLAN = Plan(summary="what follows", steps=(write_incident_report.planned(), tell_stakeholders.planned()))


class Chat:
    """A chat that takes every message."""

    def __init__(self) -> None:
        self.got: list[Announcement] = []

    def announce(self, announcement: Announcement) -> Announced:
        self.got.append(announcement)
        return Announced(channel=announcement.channel, reference="1", repeated=False)

    def describe_announce(self, announcement: Announcement) -> tuple[str, ...]:
        return (announcement.title,)


def following() -> Definition:
    class Follows:
        def plan(self, env: Environment, request: Plan) -> Plan:
            del env
            return request

        def run(self, env: Environment, plan: Plan) -> Afterwards:
            del plan
            account = Account(run_id="rollback-x", deployment=None, bad="1.1.0", good="1.0.0", reason="errors", impact="some")
            return after(env, account, ordered=AT, healthy=AT + timedelta(seconds=2))

    return collect(lambda: runbook(name="test.follows", chapter="test")(Follows))["test.follows"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "docs").write_text("where the folder of the pages should be")
    return tmp_path


def test_people_are_told_without_the_report_and_of_it(home: Path) -> None:
    chat, env = Chat(), object.__new__(Environment)
    facts = Facts(
        name="drill", production=False, service="x", replicas=1, ready_within=timedelta(0), database="x", incidents_channel="#incidents", bake=timedelta(0)
    )
    for name, port in (("facts", facts), ("documents", MarkdownFolder(home)), ("notifier", chat)):
        object.__setattr__(env, name, port)
    order = Order(run_id="rollback-x", by="jane", reason="errors", request=None, plan=PLAN, control="gone")
    run = begin(DirectJournal(home / "rollback-x.jsonl"), order, following(), redactor=Redactor(), tell=lambda _line: None, warn=lambda _text: None)
    ended = run.carry_out(env)
    assert isinstance(ended.result, dict)
    assert str(ended.result["incident"]).startswith("not written: ")
    assert ended.result["announced"] == "1"
    assert "not written" in str(chat.got[0].facts)
