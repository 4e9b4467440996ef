"""People are told of a log that should be kept and is not; never of one that nobody wants, nor that it is not received where nobody knows."""

from __future__ import annotations

import pytest

from unioneyes.adapters.postgres.recovery.faults import log_faults
from unioneyes.ports.recovery import Gap, WalMode

GAP = Gap(timeline=1, first="000000010000000000000003", count=2)
KEPT = (WalMode.RECEIVE, WalMode.SYNCHRONOUS)


@pytest.mark.parametrize("mode", KEPT)
def test_a_log_that_is_received_and_one_whose_server_does_not_answer_are_no_faults(mode: WalMode) -> None:
    assert log_faults(mode, streaming=True, slot="reserved", gaps=()) == ()
    assert log_faults(mode, streaming=None, slot=None, gaps=()) == ()


@pytest.mark.parametrize("mode", KEPT)
def test_nobody_who_receives_it_a_lost_slot_and_a_hole_are(mode: WalMode) -> None:
    def found(*, streaming: bool | None = True, slot: str | None = "reserved", gaps: tuple[Gap, ...] = ()) -> list[str]:
        return [fault.key for fault in log_faults(mode, streaming=streaming, slot=slot, gaps=gaps)]

    assert found(streaming=False) == ["unreceived"]
    assert found(streaming=False, slot="lost") == ["lost"], "then it is not received for that"
    assert found(gaps=(GAP,)) == found(streaming=None, slot=None, gaps=(GAP,)) == ["gap-1-000000010000000000000003"]
    assert [fault.stays for fault in log_faults(mode, streaming=False, slot="extended", gaps=(GAP,))] == [False, True]


def test_commits_that_wait_are_spoken_of() -> None:
    (fault,) = log_faults(WalMode.SYNCHRONOUS, streaming=False, slot="reserved", gaps=())
    assert "commits wait" in fault.what
    (fault,) = log_faults(WalMode.RECEIVE, streaming=False, slot="reserved", gaps=())
    assert "commits" not in fault.what


def test_a_log_that_nobody_wants_kept_has_no_faults() -> None:
    assert log_faults(WalMode.NONE, streaming=False, slot="lost", gaps=(GAP,)) == ()
