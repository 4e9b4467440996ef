from __future__ import annotations

import pytest

from unioneyes.claims.queries import read_queries


def test_a_later_generation_replaces_single_queries_and_keeps_the_others() -> None:
    first, second = read_queries(("1.0",)), read_queries(("1.0", "1.1"))
    assert b"deadline" not in first.submit_claim
    assert b"deadline" in second.submit_claim
    assert first.take_key == second.take_key


def test_queries_carry_neither_comments_nor_a_final_semicolon() -> None:
    queries = read_queries(("1.0",))
    assert not queries.list_updates.endswith(b";")
    assert b"--" not in queries.list_updates + queries.take_key


def test_an_incomplete_generation_is_no_release() -> None:
    with pytest.raises(TypeError, match="missing"):
        read_queries(("1.1",))
