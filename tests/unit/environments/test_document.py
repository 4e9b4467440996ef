"""The upkeep of the runbook document, as the policy writes it."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from unioneyes.environments.document import document_upkeep, read_upkeep
from unioneyes.environments.policy import PolicyUnreadable
from unioneyes.kernel.upkeep import Frequency

WRITTEN = """
version: "1.0.0"
status: RC-1 Ready
updated: 2026-02-09
commit: bcf0aee8
owner: Platform Engineering Team
review:
  frequency: monthly
  last: 2026-02-09
  next: 2026-03-09
"""


def test_the_policy_s_own_file_is_sound_and_names_no_person() -> None:
    kept = document_upkeep()
    assert kept.owner.endswith("Team")
    assert kept.next_review > kept.last_review


def test_it_is_read_as_it_is_written(tmp_path: Path) -> None:
    (written := tmp_path / "document.yaml").write_text(WRITTEN)
    kept = read_upkeep(written)
    assert (kept.version, kept.status, kept.updated, kept.commit) == ("1.0.0", "RC-1 Ready", date(2026, 2, 9), "bcf0aee8")
    assert (kept.frequency, kept.last_review, kept.next_review) == (Frequency.MONTHLY, date(2026, 2, 9), date(2026, 3, 9))


@pytest.mark.parametrize(
    ("right", "wrong", "says"),
    [
        ("next: 2026-03-09", "next: 2026-03-10", "review: .*next: 2026-03-10 is later than a monthly review may be: 2026-03-09"),
        ("next: 2026-03-09", "next: 2026-02-09", "review: .*next: 2026-02-09 is not after last: 2026-02-09"),
        ("next: 2026-03-09", "next: 2026-13-09", r"2026-13-09 is no day: month must be in 1..12.*line 10"),
        ("frequency: monthly", "frequency: weekly", "review.frequency: .*'monthly', 'quarterly' or 'yearly'"),
        ("status: RC-1 Ready", "statsu: RC-1 Ready", "status: Field required; statsu: Extra"),
        ("status: RC-1 Ready", "status: ''", "status: "),
        ("updated: 2026-02-09", "updated: yesterday", "updated: "),
        ("commit: bcf0aee8", "commit: 12345678", "commit: .*string"),
        ('version: "1.0.0"', "version: 1.0", "version: "),
        ("review:", "review: [", r"line \d+"),
        (WRITTEN, "- a list", "the file: "),
        (WRITTEN, "", "version: Field required"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_key_or_line(tmp_path: Path, right: str, wrong: str, says: str) -> None:
    (written := tmp_path / "document.yaml").write_text(WRITTEN.replace(right, wrong))
    with pytest.raises(PolicyUnreadable, match=f"(?s){says}"):
        read_upkeep(written)


def test_a_file_that_is_gone_is_said_to_be_so(tmp_path: Path) -> None:
    with pytest.raises(PolicyUnreadable, match="can't be read"):
        read_upkeep(tmp_path / "document.yaml")
