"""Sealing that is late or in trouble is announced once in the incidents channel, and once when it is well again: a real PostgreSQL, Slack on the wire."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from pydantic import JsonValue, SecretStr

from tests.drills.engine.audited import CANARY, Audited
from tests.drills.engine.runbooks import environment
from tests.stack import eventually
from unioneyes.adapters.slack import SlackNotifier
from unioneyes.console.alarm import Alarm, wrong_with
from unioneyes.kernel.redaction import Redactor
from unioneyes.ports.environment import Environment
from unioneyes.ports.witness import WitnessUnavailable
from unioneyes.runbook.audit.log import AuditLog
from unioneyes.runbook.audit.views import AuditStatus
from unioneyes.simulators.serving import served
from unioneyes.simulators.vendors import application

TOKEN = SecretStr("xoxb-112233-445566-onlyfortests")
IN_TROUBLE, WELL_AGAIN = "AUDIT LOG IN TROUBLE: drill", "AUDIT LOG WELL AGAIN: drill"
LOOKS = timedelta(milliseconds=50)


@dataclass
class Watched:
    """An audit log, servers that watch it, and the channel that they tell."""

    log: Audited
    slack: str
    file: Path
    troubles: list[str] = field(default_factory=list)
    """What keeps journals from being brought in, as every server sees it."""

    @property
    def environment(self) -> Environment:
        bare = environment()
        notifier = SlackNotifier(token=TOKEN, base_url=f"{self.slack}/api/", time_limit=timedelta(seconds=2))
        object.__setattr__(bare, "facts", replace(bare.facts, incidents_channel="#incidents"))
        object.__setattr__(bare, "notifier", notifier)
        return bare

    def server(self, status: Callable[[], AuditStatus] | None = None, *, patience: float = 0.3) -> Alarm:
        """Start what a server watches with."""
        read = status or AuditLog(self.log.database, self.log.sealing, trouble=lambda: next(iter(self.troubles), None)).status
        wait = timedelta(seconds=patience)
        alarm = Alarm(read, self.environment, self.file, redact=Redactor([CANARY]), patience=wait, every=LOOKS, tell_again=timedelta(seconds=0.2))
        alarm.start()
        return alarm

    def fails(self, **faults: JsonValue) -> None:
        httpx.post(f"{self.slack}/_faults", json=faults, trust_env=False).raise_for_status()

    def messages(self) -> list[str]:
        received = httpx.get(f"{self.slack}/_received", trust_env=False).json()
        assert {each["channel_name"] for each in received} <= {"incidents"}
        return [each["text"] for each in received]

    def told(self) -> list[str]:
        return [text.split("\n")[0] for text in self.messages()]

    def until_told(self, *titles: str) -> None:
        assert eventually(lambda: len(self.told()) >= len(titles), within=20), self.told()
        assert self.told() == [*titles]

    def stays_told(self, *titles: str) -> None:
        """Nothing more is told in a time in which servers look many times."""
        assert not eventually(lambda: self.told() != [*titles], within=1), self.told()

    def wait_for_long(self) -> None:
        """What is not sealed yet has waited for two minutes."""
        self.log.tamper("UPDATE ue.audit_entries SET appended_at = appended_at - interval '2 minutes'")


@pytest.fixture
def watched(audited: Audited, tmp_path: Path) -> Iterator[Watched]:
    folder = tmp_path / "vendors"
    folder.mkdir()
    with served(lambda url: application(folder, url=url, slack_token=TOKEN)) as url:
        watched = Watched(audited, f"{url}/slack", tmp_path / "home" / "audit-alarm.json")
        watched.file.parent.mkdir()
        yield watched
        assert httpx.get(f"{watched.slack}/_violations", trust_env=False).json() == []


@pytest.fixture
def serving(watched: Watched) -> Iterator[Callable[..., Alarm]]:
    """Starts servers that end with the test."""
    with ExitStack() as ending:

        def start(status: Callable[[], AuditStatus] | None = None, *, patience: float = 0.3) -> Alarm:
            alarm = watched.server(status, patience=patience)
            ending.callback(alarm.stop)
            return alarm

        yield start


def test_a_lag_is_told_once_by_several_servers_and_its_end_too(watched: Watched, serving: Callable[..., Alarm]) -> None:
    for _ in range(3):
        serving()
    watched.log.append("0")
    watched.stays_told()
    watched.wait_for_long()
    watched.until_told(IN_TROUBLE)
    watched.stays_told(IN_TROUBLE)
    (text,) = watched.messages()
    assert "Wrong: an entry waits for its checkpoint for 2 min" in text
    watched.log.sequencer.seal()
    watched.until_told(IN_TROUBLE, WELL_AGAIN)
    watched.stays_told(IN_TROUBLE, WELL_AGAIN)
    assert "Covered: 1 entries" in watched.messages()[1]
    assert not watched.file.exists()


def test_what_happens_again_is_told_again(watched: Watched, serving: Callable[..., Alarm]) -> None:
    serving()
    for _ in range(2):
        watched.log.append("again")
        watched.wait_for_long()
        assert eventually(lambda: watched.told()[-1:] == [IN_TROUBLE])
        watched.log.sequencer.seal()
        assert eventually(lambda: watched.told()[-1:] == [WELL_AGAIN])
    assert watched.told() == [IN_TROUBLE, WELL_AGAIN] * 2


def test_trouble_is_told_when_it_lasts_and_without_its_secrets(watched: Watched, serving: Callable[..., Alarm]) -> None:
    serving(patience=1.5)
    watched.troubles.append("passing")
    watched.stays_told()
    watched.troubles.clear()
    watched.stays_told()
    watched.troubles.append(f"a journal that holds {CANARY} is damaged")
    watched.until_told(IN_TROUBLE)
    (text,) = watched.messages()
    assert CANARY not in text
    assert "is damaged" in text


def test_a_log_that_can_t_be_looked_at_is_trouble(watched: Watched, serving: Callable[..., Alarm]) -> None:
    def unreadable() -> AuditStatus:
        raise WitnessUnavailable(what="nobody knows", remedy="look")

    serving(unreadable)
    watched.until_told(IN_TROUBLE)
    assert "Wrong: nobody knows (look)" in watched.messages()[0]


def test_it_is_told_when_the_chat_is_back_even_when_all_is_well_by_then(watched: Watched, serving: Callable[..., Alarm]) -> None:
    serving()
    watched.fails(mode="down")
    watched.log.append("0")
    watched.wait_for_long()
    assert eventually(watched.file.exists)
    watched.log.sequencer.seal()
    watched.stays_told()
    watched.fails(mode=None)
    watched.until_told(IN_TROUBLE, WELL_AGAIN)
    watched.stays_told(IN_TROUBLE, WELL_AGAIN)


def test_an_answer_that_was_lost_doubles_nothing(watched: Watched, serving: Callable[..., Alarm]) -> None:
    watched.fails(mode="slow", method="chat.postMessage", times=1, seconds=3)
    serving()
    watched.log.append("0")
    watched.wait_for_long()
    watched.until_told(IN_TROUBLE)
    assert eventually(lambda: b'"told":true' in watched.file.read_bytes())
    watched.stays_told(IN_TROUBLE)


def test_a_server_that_comes_after_calls_off_what_another_one_told(watched: Watched, serving: Callable[..., Alarm]) -> None:
    first = serving()
    watched.log.append("0")
    watched.wait_for_long()
    watched.until_told(IN_TROUBLE)
    first.stop()
    watched.stays_told(IN_TROUBLE)
    second = serving()
    watched.stays_told(IN_TROUBLE)
    second.stop()
    watched.log.sequencer.seal()
    serving()
    watched.until_told(IN_TROUBLE, WELL_AGAIN)


def test_a_server_that_fares_well_does_not_deny_what_another_one_sees(watched: Watched, serving: Callable[..., Alarm]) -> None:
    blind = ["it reaches no bucket"]
    own = AuditLog(watched.log.database, watched.log.sealing, trouble=lambda: next(iter(blind), None))
    serving(own.status)
    watched.until_told(IN_TROUBLE)
    serving()
    watched.stays_told(IN_TROUBLE)
    blind.clear()
    watched.until_told(IN_TROUBLE, WELL_AGAIN)


def test_it_is_told_also_where_nothing_can_be_written(watched: Watched, serving: Callable[..., Alarm]) -> None:
    watched.file.parent.rmdir()  # as on a full disk: no lock and no memory
    serving()
    watched.log.append("0")
    watched.wait_for_long()
    watched.until_told(IN_TROUBLE)
    watched.stays_told(IN_TROUBLE)
    watched.log.sequencer.seal()
    watched.until_told(IN_TROUBLE, WELL_AGAIN)


def test_a_changed_log_is_told(watched: Watched, serving: Callable[..., Alarm]) -> None:
    watched.log.sealed(2)
    watched.log.tamper("DELETE FROM ue.audit_leaves WHERE index = 1")
    log = AuditLog(watched.log.database, watched.log.sealing)
    log.start()
    try:
        serving(log.status)
        watched.until_told(IN_TROUBLE)
        assert "the database holds 1 sealed entries, and 2 were sealed" in watched.messages()[0]
    finally:
        log.stop()


@pytest.mark.parametrize(
    ("late", "trouble", "wrong"),
    [(False, None, None), (True, None, "an entry waits for its checkpoint for 1 min 30 s"), (False, "x", "x"), (True, "x", "x")],
)
def test_what_is_wrong_is_the_trouble_or_else_the_lag(audited: Audited, *, late: bool, trouble: str | None, wrong: str | None) -> None:
    status = AuditLog(audited.database, None).status()
    assert wrong_with(replace(status, late=late, trouble=trouble, lag_seconds=90)) == wrong
