"""Which backups are kept, and why: whatever there is, the last proven one stays."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unioneyes.operations.database.backups.retention import fates
from unioneyes.ports.database import Backup, BackupState, Retention

NOW = datetime(2026, 3, 15, 2, 0, tzinfo=UTC)
POLICY = Retention(keep=timedelta(days=30), at_least=2, keep_failed=timedelta(days=3))


def backup(name: str, *, days: float, state: BackupState = BackupState.VERIFIED) -> Backup:
    return Backup(
        name=name,
        place=f"/backups/{name}.dump.zst",
        taken_at=NOW - timedelta(days=days),
        took=timedelta(seconds=1),
        bytes=1,
        sha256="0" * 64,
        tables=1,
        rows=1,
        schema=None,
        state=state,
    )


STATES = st.sampled_from(BackupState)
BACKUPS = st.lists(st.tuples(st.floats(min_value=-2, max_value=400), STATES), max_size=30).map(
    lambda found: tuple(backup(f"b{number}", days=days, state=state) for number, (days, state) in enumerate(found))
)
POLICIES = st.builds(
    Retention,
    keep=st.timedeltas(min_value=timedelta(hours=1), max_value=timedelta(days=200)),
    at_least=st.integers(min_value=1, max_value=10),
    keep_failed=st.timedeltas(min_value=timedelta(hours=1), max_value=timedelta(days=200)),
)


@given(backups=BACKUPS, policy=POLICIES)
def test_the_last_proven_ones_are_never_pruned(backups: tuple[Backup, ...], policy: Retention) -> None:
    proven = sorted((each for each in backups if each.state is BackupState.VERIFIED), key=lambda each: (each.taken_at, each.name), reverse=True)
    kept = {fate.name for fate in fates(backups, NOW, policy) if fate.kept}
    assert {each.name for each in proven[: policy.at_least]} <= kept


@given(backups=BACKUPS, policy=POLICIES)
def test_each_backup_has_one_fate_with_its_reason_newest_first(backups: tuple[Backup, ...], policy: Retention) -> None:
    found = fates(backups, NOW, policy)
    assert sorted(fate.name for fate in found) == sorted(each.name for each in backups)
    taken = {each.name: each.taken_at for each in backups}
    assert [taken[fate.name] for fate in found] == sorted(taken.values(), reverse=True)
    assert all(fate.because for fate in found)


@given(backups=BACKUPS, policy=POLICIES)
def test_what_is_younger_than_its_limit_is_kept_and_what_is_found_wrong_is_not_for_longer(backups: tuple[Backup, ...], policy: Retention) -> None:
    found = {fate.name: fate for fate in fates(backups, NOW, policy)}
    for each in backups:
        limit = policy.keep_failed if each.state is BackupState.FAILED else policy.keep
        if NOW - each.taken_at <= limit:
            assert found[each.name].kept
        elif each.state is BackupState.FAILED:
            assert not found[each.name].kept


@given(backups=BACKUPS, policy=POLICIES)
def test_pruning_again_removes_nothing_more_at_the_same_moment(backups: tuple[Backup, ...], policy: Retention) -> None:
    kept = {fate.name for fate in fates(backups, NOW, policy) if fate.kept}
    left = tuple(each for each in backups if each.name in kept)
    assert all(fate.kept for fate in fates(left, NOW, policy))


@given(backups=BACKUPS, policy=POLICIES)
def test_where_nothing_is_proven_nothing_that_may_be_good_is_removed(backups: tuple[Backup, ...], policy: Retention) -> None:
    unproven = tuple(each for each in backups if each.state is not BackupState.VERIFIED)
    gone = {fate.name for fate in fates(unproven, NOW, policy) if not fate.kept}
    assert gone <= {each.name for each in unproven if each.state is BackupState.FAILED}


@pytest.mark.parametrize(
    ("days", "state", "kept", "because"),
    [
        (30, BackupState.VERIFIED, True, "not older than 30 d"),
        (30.001, BackupState.VERIFIED, False, "older than 30 d"),
        (31, BackupState.TAKEN, False, "older than 30 d"),
        (3, BackupState.FAILED, True, "not older than 3 d"),
        (4, BackupState.FAILED, False, "found wrong, and older than 3 d"),
    ],
)
def test_the_limit_is_exact_and_the_reason_says_which(days: float, state: BackupState, *, kept: bool, because: str) -> None:
    newer = (backup("new", days=0), backup("newer", days=1))
    found = {fate.name: fate for fate in fates((*newer, backup("it", days=days, state=state)), NOW, POLICY)}
    assert (found["it"].kept, found["it"].because) == (kept, because)


def test_old_ones_that_are_spared_say_why() -> None:
    found = fates((backup("last", days=100), backup("second", days=200), backup("third", days=300)), NOW, POLICY)
    assert [(fate.name, fate.kept, fate.because) for fate in found] == [
        ("last", True, "the last proven one"),
        ("second", True, "one of the last 2 proven ones"),
        ("third", False, "older than 30 d"),
    ]
