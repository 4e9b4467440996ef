"""What a query says without what it is about: no value comes through, wherever the text was cut off."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unioneyes.adapters.postgres.query_texts import valueless


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("SELECT * FROM claims WHERE id = 12 AND name = 'Bob''s'", "SELECT * FROM claims WHERE id = ? AND name = ?"),
        ("SELECT a2, $1 FROM t1  --  Bob\n WHERE x IN (1, 2,3)", "SELECT a2, $1 FROM t1 WHERE x IN (?, …)"),
        ("SELECT $$Bob$$ || $x$ Bob $ $y$ $x$ || E'B\\'ob' || U&'Bob'", "SELECT ? || ? || ? || U&?"),
        ('SELECT "Col 1"[1], t."x""y" FROM t', 'SELECT "Col 1"[?], t."x""y" FROM t'),
        ("/* Bob /* 'Bob */ */ UPDATE t SET x = 1.5e-3::numeric", "UPDATE t SET x = ?::numeric"),
        ("SET app.user TO Bob", "SET app.user …"),
        ("set local app.user = Bob", "set local app.user …"),
        ("SELECT 'it was cut off after Bo", "SELECT …"),
        ("SELECT $tag$ it was cut off", "SELECT …"),
        ("SELECT $$ it was cut off", "SELECT …"),
        ("SELECT 1 /* it was cut off", "SELECT ?"),
        ("SELECT 'a\\', secret, 'b'", "SELECT …"),
        ("BEGIN", "BEGIN"),
        ("", ""),
    ],
)
def test_values_are_left_out_and_the_rest_reads_as_before(text: str, shown: str) -> None:
    assert valueless(text) == shown


SECRET = "zebra"
QUOTED = st.sampled_from(["'{}'", "'x''{}'", "E'\\'{}'", "$${}$$", "$q$'{}$q$", "/* {} */", "-- {}\n", "'{}\n'"])
PLAIN = st.sampled_from(["SELECT ", "a, ", "t.b ", '"n""m" ', "IN (", ") ", "$1 ", "'y' ", "12 ", "= ", "::text ", "\n"])


@given(st.lists(st.one_of(PLAIN, QUOTED.map(lambda form: form.format(SECRET) + " ")), max_size=12), st.integers(0, 200))
def test_no_value_comes_through_wherever_the_text_is_cut_off(parts: list[str], kept: int) -> None:
    for text in ("".join(parts), "".join(parts)[:kept]):
        assert "zeb" not in valueless(text)
