"""Asking again and again: who waits for whom."""

from __future__ import annotations

from datetime import timedelta
from threading import Event, Lock

from tests.stack import eventually
from unioneyes.operations.deployment.watch import Repeated

OFTEN = timedelta(milliseconds=1)


class Hanging:
    """Answers nobody until it is told to, and counts who waits."""

    def __init__(self) -> None:
        self.go = Event()
        self.waiting = 0
        self._guard = Lock()

    def __call__(self) -> bool:
        with self._guard:
            self.waiting += 1
        return self.go.wait(30)


def test_who_hangs_keeps_nobody_from_being_asked_as_long_as_there_is_a_place() -> None:
    hanging = Hanging()
    repeated = Repeated(hanging, every=OFTEN, at_once=3)
    try:
        assert eventually(lambda: hanging.waiting == 3)
        assert not eventually(lambda: hanging.waiting > 3, within=0.2)
        assert list(repeated.answers()) == []
    finally:
        repeated.stop()
        hanging.go.set()
    answered: list[bool] = []

    def all_answered() -> bool:
        answered.extend(repeated.answers())
        return len(answered) == 3

    assert eventually(all_answered)


def test_one_place_means_one_question_at_a_time() -> None:
    hanging = Hanging()
    repeated = Repeated(hanging, every=OFTEN)
    try:
        assert eventually(lambda: hanging.waiting == 1)
        assert not eventually(lambda: hanging.waiting > 1, within=0.2)
    finally:
        repeated.stop()
        hanging.go.set()
