from __future__ import annotations

from datetime import timedelta
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from unioneyes.adapters.postgres.connections import shown
from unioneyes.adapters.postgres.fingerprint import Fingerprint, ObjectCount, SequencePrint, TablePrint, differences
from unioneyes.adapters.postgres.lint import ALWAYS_BLOCKS, HOLDS_MEMBERS_UP, MOOT, blocks
from unioneyes.adapters.postgres.locks import Holder, pauses
from unioneyes.adapters.postgres.programs import ProgramFailed, clean_environment, passfile_line, run_program

WHOLE = Fingerprint(
    tables=(TablePrint(table="claims", rows=3, hash="42", protected="forced"),),
    sequences=(SequencePrint(sequence="claims_id_seq", last_value=3, called=True),),
    objects=(ObjectCount(kind="policies", count=1),),
)


def test_the_same_holds_no_difference() -> None:
    assert differences(WHOLE, WHOLE) == ()


def test_a_sequence_that_went_on_meanwhile_is_no_difference() -> None:
    later = WHOLE.model_copy(update={"sequences": (SequencePrint(sequence="claims_id_seq", last_value=9, called=True),)})
    assert differences(WHOLE, later) == ()
    assert differences(later, WHOLE) == ("sequence claims_id_seq is missing or behind",)


def test_everything_that_is_gone_is_named() -> None:
    empty = Fingerprint(tables=(), sequences=(), objects=())
    assert differences(WHOLE, empty) == ("claims is missing", "sequence claims_id_seq is missing or behind", "0 policies instead of 1")
    assert differences(empty, WHOLE) == ("claims is not in the source",)


def test_pauses_double_up_to_a_limit_and_are_spread() -> None:
    assert list(islice(pauses(lambda _low, _high: 1.0), 7)) == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]
    assert all(0.05 <= pause <= 3.0 for pause in islice(pauses(), 20))


def test_a_holder_is_named_with_what_is_known() -> None:
    assert str(Holder(pid=7, application="psql", role="dba", seconds=90.0)) == "process 7 (psql, role dba, in a transaction for 1 min 30 s)"
    assert str(Holder(pid=7, application="", role="", seconds=None)) == "process 7 (no application name, role unknown)"


def test_long_locks_are_allowed_in_maintenance_and_what_destroys_never() -> None:
    assert not HOLDS_MEMBERS_UP & ALWAYS_BLOCKS
    assert not (HOLDS_MEMBERS_UP | ALWAYS_BLOCKS) & set(MOOT)
    assert [blocks("changing-column-type", needs_maintenance=maintenance) for maintenance in (False, True)] == [True, False]
    assert [blocks("ban-drop-database", needs_maintenance=maintenance) for maintenance in (False, True)] == [True, True]
    assert not blocks("ban-drop-column", needs_maintenance=False)


@given(st.text(alphabet="ab:\\*#", min_size=1, max_size=12))
def test_a_password_file_gives_back_the_password_as_libpq_reads_it(password: str) -> None:
    line = passfile_line(SecretStr(password)).removesuffix("\n")
    fields, field, escaped = [], "", False
    for character in line:
        if character == ":" and not escaped:
            fields.append(field)
            field = ""
        elif character == "\\" and not escaped:
            escaped = True
            continue
        else:
            field += character
        escaped = False
    assert [*fields, field] == ["*", "*", "*", "*", password]


def test_an_address_is_shown_without_its_password() -> None:
    address = shown(SecretStr("postgresql://role:sec%40ret@127.0.0.1:5432/unioneyes?sslmode=require"))
    assert "sec" not in address
    assert "sslmode=require" in address
    assert "user=role" in address


def test_no_variable_of_libpq_reaches_a_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "elsewhere")
    monkeypatch.setenv("LC_MESSAGES", "de_DE.UTF-8")
    environment = clean_environment({"PGPASSFILE": "/x"})
    assert "PGHOST" not in environment
    assert "LC_MESSAGES" not in environment
    assert (environment["PGPASSFILE"], environment["LC_ALL"]) == ("/x", "C.UTF-8")


def test_a_program_that_fails_or_hangs_says_so() -> None:
    with pytest.raises(ProgramFailed, match="sh failed: first / second"):
        run_program(("sh", "-c", "echo first >&2; echo second >&2; exit 3"), within=timedelta(seconds=5))
    with pytest.raises(ProgramFailed, match="did not end within 100 ms"):
        run_program(("sleep", "5"), within=timedelta(milliseconds=100))
