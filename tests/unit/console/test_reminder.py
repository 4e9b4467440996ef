"""A missed review is reminded of in the log, again and again."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import date, timedelta

import pytest

from tests.stack import eventually
from unioneyes.console.reminder import Reminder
from unioneyes.environments.document import document_upkeep
from unioneyes.environments.policy import PolicyUnreadable
from unioneyes.kernel.clock import now
from unioneyes.kernel.upkeep import Upkeep

KEPT = document_upkeep()


def missed() -> Upkeep:
    return replace(KEPT, next_review=date(2026, 3, 9))


def in_time() -> Upkeep:
    return replace(KEPT, next_review=date.max)


def unreadable() -> Upkeep:
    raise PolicyUnreadable(what="policy/document.yaml can't be read", remedy="restore it")


def test_a_missed_review_is_told_again_and_again(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "unioneyes.console.reminder"):
        reminder = Reminder(missed, every=timedelta(milliseconds=10))
        reminder.start()
        assert eventually(lambda: len(caplog.messages) >= 3)
        reminder.stop()
    assert set(caplog.messages) == {missed().missed(now())}


def test_a_review_that_is_in_time_is_not_spoken_of_and_a_policy_that_can_t_be_read_is(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "unioneyes.console.reminder"):
        for read in (in_time, unreadable):
            reminder = Reminder(read)
            reminder.start()
            reminder.stop()
    assert caplog.messages == ["policy/document.yaml can't be read (restore it)"]
