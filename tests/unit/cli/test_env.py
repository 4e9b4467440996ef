"""What `ue env status` shows of the audit log."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from unioneyes.cli.env import _status_page
from unioneyes.cli.output import Ink
from unioneyes.environments.local.status import StackState, StackStatus
from unioneyes.runbook.audit.views import AuditStatus

SHOWN = StackStatus(
    environment="local",
    home=Path("/srv/stack"),
    state=StackState.UP,
    service_url="",
    preview_url="",
    control_url="",
    login="",
    database_url="",
    processes=(),
    colours=(),
    maintenance=None,
    replication=None,
    audit=AuditStatus(key="", sealed=3, unsealed=1, covered=2, checkpoint_at=None, lag_seconds=0.4, late=False, trouble=None),
)


def audit_line(shown: StackStatus) -> str | None:
    lines = [line for line in _status_page(Ink(colour=False), shown).splitlines() if line.startswith("audit log")]
    return lines[0].removeprefix("audit log").strip() if lines else None


def test_the_log_is_told_while_the_server_answers() -> None:
    assert audit_line(SHOWN) == "3 sealed, 2 covered by a checkpoint, 1 waiting"


@pytest.mark.parametrize("state", [StackState.UP, StackState.PARTLY])
def test_a_server_that_does_not_say_how_the_log_is_leaves_no_silence(state: StackState) -> None:
    assert audit_line(replace(SHOWN, state=state, audit=None)) == "‖ unknown: the server does not say"


def test_of_what_is_down_nothing_is_expected() -> None:
    assert audit_line(replace(SHOWN, state=StackState.DOWN, audit=None)) is None
