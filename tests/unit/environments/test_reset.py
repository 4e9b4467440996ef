"""What `ue env reset` deletes not: what people did without the server, and no audit log knows yet."""

from __future__ import annotations

from pathlib import Path

import pytest

from unioneyes.environments.local.layout import Layout
from unioneyes.environments.local.lifecycle import JournalsLeft, reset
from unioneyes.runbook.direct.folder import DirectFolder


def test_a_journal_that_was_not_brought_in_keeps_everything_until_it_is_or_is_moved_away(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "home")
    layout.claim_home()
    folder = DirectFolder(layout.break_glass)
    folder.path.mkdir(mode=0o700)
    journal = folder.journal_of("rollback-20260209-143000-k7m2q")
    journal.write_text("{}\n")
    with pytest.raises(JournalsLeft, match=r"rollback-20260209-143000-k7m2q\.jsonl in .* nothing was deleted") as refused:
        reset(layout.home, tell=lambda _line: None)
    assert "ue env up brings it in" in refused.value.remedy
    assert journal.read_text() == "{}\n"
    folder.set_aside(journal)
    reset(layout.home, tell=lambda _line: None)
    assert not layout.home.exists()
