from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unioneyes.adapters.postgres.drift import Entry, contradictions, pending
from unioneyes.ports.database import Migration, MigrationDrift


def migration(when: int, text: str = "") -> Migration:
    return Migration(
        tag=f"{when:04d}_made",
        sha256=hashlib.sha256(f"{when}{text}".encode()).hexdigest(),
        when=when,
        sql="",
        rollback_sql=None,
        transactional=True,
        needs_maintenance=False,
    )


def entries(*applied: Migration) -> tuple[Entry, ...]:
    return tuple(Entry(id=place, sha256=done.sha256, when=done.when) for place, done in enumerate(applied, start=1))


histories = st.lists(st.integers(min_value=1, max_value=9999), unique=True, min_size=1, max_size=8).map(lambda whens: tuple(map(migration, sorted(whens))))


@given(histories, st.data())
def test_of_one_history_the_rest_is_pending_wherever_ledger_and_release_stand(history: tuple[Migration, ...], data: st.DataObject) -> None:
    applied = history[: data.draw(st.integers(0, len(history)))]
    wanted = history[: data.draw(st.integers(0, len(history)))]
    assert pending(wanted, entries(*applied)) == wanted[len(applied) :]


@given(histories, st.data())
def test_an_edit_of_an_applied_migration_is_never_missed(history: tuple[Migration, ...], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(history) - 1))
    edited = (*history[:place], migration(history[place].when, "edited"), *history[place + 1 :])
    with pytest.raises(MigrationDrift, match=f"{history[place].tag} was edited"):
        pending(edited, entries(*history))


@given(histories.filter(lambda history: len(history) > 1), st.data())
def test_a_gap_in_the_ledger_is_never_skipped(history: tuple[Migration, ...], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(history) - 2))
    with pytest.raises(MigrationDrift, match=history[place].tag):
        pending(history, entries(*history[:place], *history[place + 1 :]))


@given(histories, st.integers(min_value=1, max_value=20000))
def test_a_foreign_row_is_drift_exactly_inside_the_releases_own_range(history: tuple[Migration, ...], when: int) -> None:
    if when in {known.when for known in history}:
        return
    found = contradictions(history, entries(*history, migration(when, "foreign")))
    assert bool(found) == (when < history[-1].when)


def test_a_migration_that_was_given_another_time_is_named() -> None:
    first, second = migration(1), migration(2)
    moved = Entry(id=2, sha256=second.sha256, when=5)
    assert contradictions((first, second), (*entries(first), moved)) == ("0002_made was applied under another time",)


def test_a_release_without_migrations_contradicts_nothing() -> None:
    assert contradictions((), entries(migration(1))) == ()
