"""Which backup takes the live database's place, and when there is no room for it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from unioneyes.operations.rollback.restore import UnprovenBackup, chosen
from unioneyes.operations.rollback.restore_steps import NoRoom, require_room
from unioneyes.ports.database import Backup, BackupState, NoSuchBackup, Room

AT = datetime(2026, 2, 9, 14, 30, tzinfo=UTC)


def backup(name: str, state: BackupState = BackupState.VERIFIED) -> Backup:
    return Backup(
        name=name,
        place="/backups/b.dump.zst",
        taken_at=AT,
        took=timedelta(seconds=1),
        bytes=1,
        sha256="0" * 64,
        tables=1,
        rows=1,
        schema="0000_initial",
        state=state,
    )


NEWEST_FIRST = (backup("broken", BackupState.FAILED), backup("taken", BackupState.TAKEN), backup("newer"), backup("older"))


def test_the_newest_verified_backup_is_chosen_unless_one_is_named() -> None:
    assert chosen(NEWEST_FIRST, None).name == "newer"
    assert chosen(NEWEST_FIRST, "older").name == "older"


@pytest.mark.parametrize("name", ["broken", "taken"])
def test_a_backup_that_is_not_proven_is_refused_and_a_proven_one_is_named(name: str) -> None:
    with pytest.raises(UnprovenBackup, match="nobody knows whether it can be restored") as caught:
        chosen(NEWEST_FIRST, name)
    assert "--backup newer" in caught.value.remedy


def test_an_unknown_backup_is_refused_and_a_proven_one_is_named() -> None:
    with pytest.raises(NoSuchBackup, match="no backup called 'nosuch'") as caught:
        chosen(NEWEST_FIRST, "nosuch")
    assert "--backup newer" in caught.value.remedy


def test_without_a_verified_backup_there_is_nothing_to_restore() -> None:
    with pytest.raises(NoSuchBackup, match="no verified backup"):
        chosen(NEWEST_FIRST[:2], None)


def test_a_second_copy_needs_as_much_room_as_the_first_has() -> None:
    require_room(Room(needed=10, free=10))
    require_room(Room(needed=10, free=None))
    with pytest.raises(NoRoom, match="nothing was changed"):
        require_room(Room(needed=1 << 30, free=1 << 20))
