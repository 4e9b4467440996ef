"""What is left of a plan that is shown."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from unioneyes.adapters.postgres.plan_documents import blotted, tables_of

PLAN: JsonValue = [
    {
        "Plan": {
            "Node Type": "Nested Loop",
            "Join Filter": "(c.note = 'Jane Doe'::text)",
            "Output": ["'Jane Doe'"],
            "Plans": [
                {"Node Type": "Seq Scan", "Schema": "public", "Relation Name": "members", "Filter": "(members.name = 'Jane Doe'::text)", "Plan Rows": 4711},
                {"Node Type": "Index Scan", "Schema": "public", "Relation Name": "claims 2026", "Index Cond": "(id = 4711)", "Sort Key": ["(name || 'Doe')"]},
                {"Node Type": "Function Scan", "Function Call": "find('Jane Doe'::text)", "An Expression Of A Later Release": "'Doe'"},
                {"Node Type": "Seq Scan", "Schema": "public", "Relation Name": "members"},
            ],
        }
    }
]


def test_values_are_blotted_out_of_every_expression_and_names_and_numbers_stay() -> None:
    left = str(blotted(PLAN))
    assert "Doe" not in left
    assert "(members.name = ?::text)" in left
    assert "'Plan Rows': 4711" in left
    assert "(id = ?)" in left
    assert "claims 2026" in left
    assert "Output" not in left


def test_each_table_is_named_once() -> None:
    assert tables_of(PLAN) == (("public", "members"), ("public", "claims 2026"))


@given(st.text(alphabet="abc xyz_", min_size=4), st.text(alphabet="abcXYZ ()", max_size=9))
def test_no_literal_survives_whatever_the_field_is_called(literal: str, field: str) -> None:
    left = blotted({field: f"(a = '{literal}!!'::text)"})
    assert f"{literal}!!" not in str(left)
