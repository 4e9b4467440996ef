"""What a new backup is called, and which database a restore may make."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.unit.backups.test_retention import backup
from unioneyes.kernel.problems import BadInput
from unioneyes.operations.database.backups.rules import LiveDatabase, NameTaken, NotProven, named, new_name, require_beside, require_proven
from unioneyes.ports.database import BackupState, NoSuchBackup

AT = datetime(2026, 2, 9, 2, 0, 7, tzinfo=UTC)


def test_the_document_s_name_is_taken_and_the_time_stands_behind_a_second_one_of_the_day() -> None:
    assert new_name(None, AT, ()) == "unioneyes_20260209"
    assert new_name(None, AT, (backup("unioneyes_20260209", days=0),)) == "unioneyes_20260209_020007"


def test_a_name_that_is_taken_is_refused() -> None:
    assert new_name("mine", AT, ()) == "mine"
    with pytest.raises(NameTaken, match="mine already"):
        new_name("mine", AT, (backup("mine", days=0),))


@pytest.mark.parametrize("name", ["", "../outside", "a/b", ".hidden", "a b", "x" * 101])
def test_a_name_that_no_file_should_have_is_refused(name: str) -> None:
    with pytest.raises(BadInput):
        new_name(name, AT, ())


def test_a_backup_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(NoSuchBackup, match="nosuch") as caught:
        named("nosuch", (backup("a", days=0), backup("b", days=1)))
    assert "a, b" in caught.value.remedy


@pytest.mark.parametrize("state", [BackupState.TAKEN, BackupState.FAILED])
def test_only_a_proven_one_is_restored(state: BackupState) -> None:
    require_proven(backup("a", days=0))
    with pytest.raises(NotProven, match="nothing was changed"):
        require_proven(backup("a", days=0, state=state))


def test_the_live_database_is_no_new_one() -> None:
    require_beside("unioneyes_restore", "unioneyes")
    with pytest.raises(LiveDatabase) as caught:
        require_beside("unioneyes", "unioneyes")
    assert "--confirm unioneyes" in caught.value.remedy


@pytest.mark.parametrize("name", ["", "Unioneyes", "a b", "x" * 64, "a;drop", "überall", "\udce9"])
def test_a_name_that_no_database_should_have_is_refused(name: str) -> None:
    with pytest.raises(BadInput):
        require_beside(name, "unioneyes")
