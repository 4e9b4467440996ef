"""The lines of the post-deployment verification."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from unioneyes.operations.deployment.model import Figures
from unioneyes.operations.deployment.verification import log_check
from unioneyes.ports.checklist import GateState
from unioneyes.ports.replicas import LogLine

LINE = LogLine(at=datetime(2026, 2, 9, 14, 30, tzinfo=UTC), replica="green-1", level="ERROR", message="POST /api/claims 503", request_id=None)


def old(*, slow: int = 0, hampered: int = 0) -> Figures:
    return Figures(answers=300, errors=0, slow=slow, p99_ms=20, hampered=hampered)


@pytest.mark.parametrize(
    ("lines", "answers", "beside", "old_lines", "state"),
    [
        (4, 10, old(), 0, GateState.PASSED),
        (50, 1000, old(), 0, GateState.PASSED),
        (51, 1000, old(), 0, GateState.FAILED),
        (51, 1000, None, 0, GateState.FAILED),
        (51, 1000, old(), 16, GateState.PASSED),
        (51, 1000, old(slow=4), 0, GateState.PASSED),
        (51, 1000, old(slow=3), 0, GateState.FAILED),
        (51, 1000, old(hampered=16), 0, GateState.PASSED),
        (51, 1000, old(hampered=15), 0, GateState.FAILED),
    ],
)
def test_errors_in_the_logs_fail_the_verification_unless_the_old_version_suffered_too(
    lines: int, answers: int, beside: Figures | None, old_lines: int, state: GateState
) -> None:
    assert log_check((LINE,) * lines, answers=answers, old=beside, old_errors=old_lines).state is state
