"""Which rows two sides do not share."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from unioneyes.adapters.postgres.row_difference import merged

HASHES = st.lists(st.integers(-3, 3) | st.integers(-(2**63), 2**63 - 1))


@given(HASHES, HASHES)
def test_what_stands_on_one_side_only_is_counted_each_as_often_as_it_stands_there(ours: list[int], theirs: list[int]) -> None:
    only_ours, only_theirs = (Counter(ours) - Counter(theirs)).total(), (Counter(theirs) - Counter(ours)).total()
    assert merged(iter(sorted(ours)), iter(sorted(theirs))) == (only_ours, only_theirs)
