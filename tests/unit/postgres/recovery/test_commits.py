"""What the lines of `pg_waldump` say of commits: which one, when, and which files went with it."""

from __future__ import annotations

from datetime import UTC, datetime

from unioneyes.adapters.postgres.recovery.waldump import read_commit

PLAIN = "rmgr: Transaction len (rec/tot):     46/    46, tx:        790, lsn: 0/030001A8, prev 0/03000170, desc: COMMIT 2026-02-09 14:30:00.123456 UTC"
DROP = (
    "rmgr: Transaction len (rec/tot):    330/   330, tx:        791, lsn: 1/0A0001D8, prev 0/030001A8, desc: COMMIT 2026-02-09 14:30:01.000001 UTC; "
    "rels: base/16384/24601 base/16384/24604; inval msgs: catcache 80 catcache 79 relcache 24601"
)
PREPARED = (
    "rmgr: Transaction len (rec/tot):     98/    98, tx:          0, lsn: 0/03000210, prev 0/030001A8, desc: COMMIT_PREPARED 795: 2026-02-09 14:30:02.5 UTC"
)
ABORT = "rmgr: Transaction len (rec/tot):     34/    34, tx:        792, lsn: 0/03000250, prev 0/030001A8, desc: ABORT 2026-02-09 14:30:03.000000 UTC"


def test_a_commit_is_read_with_the_servers_own_time() -> None:
    found = read_commit(PLAIN, making={})
    assert found is not None
    assert (found.xid, found.lsn, found.files, found.made) == (790, 0x30001A8, frozenset(), ())
    assert found.at == datetime(2026, 2, 9, 14, 30, 0, 123456, tzinfo=UTC)


def test_the_files_that_went_with_it_are_read_and_nothing_behind_them() -> None:
    found = read_commit(DROP, making={})
    assert found is not None
    assert (found.xid, found.lsn, found.files) == (791, 0x10A0001D8, frozenset({"base/16384/24601", "base/16384/24604"}))
    assert found.instead is None


def test_a_transaction_that_made_as_many_files_wrote_a_table_anew() -> None:
    making = {791: ("base/16384/24610", "base/16384/24611"), 792: ("base/16384/9",)}
    found = read_commit(DROP, making=making)
    assert found is not None
    assert found.instead == "base/16384/24610"
    assert set(making) == {792}


def test_what_was_made_and_went_within_the_transaction_counts_on_neither_side() -> None:
    found = read_commit(DROP, making={791: ("base/16384/24604", "base/16384/24610")})
    assert found is not None
    assert found.instead == "base/16384/24610"


def test_a_transaction_that_made_fewer_or_more_files_dropped_the_table() -> None:
    for made in (("base/16384/24610",), tuple(f"base/16384/{number}" for number in range(3))):
        found = read_commit(DROP, making={791: made})
        assert found is not None
        assert found.instead is None


def test_one_that_was_prepared_has_its_own_number() -> None:
    found = read_commit(PREPARED, making={})
    assert found is not None
    assert found.xid == 795


def test_what_was_rolled_back_is_no_commit() -> None:
    assert read_commit(ABORT, making={}) is None
