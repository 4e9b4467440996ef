"""Results on stdout, everything else on stderr, in the form that was asked for."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from unioneyes.cli.options import Format, Output
from unioneyes.cli.output import Cell, Ink, NotWritten, facts, report, result, table, write
from unioneyes.kernel.problems import BadInput, ExitCode, Refused, ReportedProblem
from unioneyes.kernel.status import RunStatus, Tone

PLAIN = Ink(colour=False)
WORDS = st.text(st.characters(categories=["L", "N"], max_codepoint=0x24F), min_size=1, max_size=12)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_result_that_breaks_off_leaves_the_file_as_it_was_and_nothing_beside_it(tmp_path: Path) -> None:
    (kept := tmp_path / "audit.jsonl").write_text("before")

    def parts() -> Iterator[str]:
        yield "half"
        raise Refused(what="the server ended", remedy="try again")

    with pytest.raises(Refused):
        write(kept, parts())
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("audit.jsonl", "before")]
    write(kept, ("one", "two"))
    assert kept.read_text() == "onetwo"


@given(st.lists(st.tuples(WORDS, WORDS, WORDS), min_size=1, max_size=8))
def test_every_column_of_a_table_begins_at_one_place(rows: list[tuple[str, str, str]]) -> None:
    lines = table(PLAIN, ("one", "two", "three"), rows, empty="nothing").splitlines()
    second = lines[0].index("TWO")
    third = lines[0].index("THREE")
    for line, row in zip(lines[1:], rows, strict=True):
        assert line.startswith(row[0])
        assert line[second:].startswith(row[1])
        assert line[third:] == row[2]


def test_a_table_without_rows_says_so() -> None:
    assert table(PLAIN, ("one",), [], empty="no releases") == "no releases"


def test_colour_does_not_change_the_layout() -> None:
    rows = [(Cell("✔ done", Tone.GOOD), "a"), (Cell("✘ failed", Tone.BAD), "b")]
    coloured = table(Ink(colour=True), ("status", "run"), rows, empty="")
    assert "\033[32m✔ done  \033[0m  a" in coloured
    assert table(PLAIN, ("status", "run"), rows, empty="").splitlines()[1] == "✔ done    a"


def test_only_a_terminal_gets_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert Ink.of(Terminal()).colour
    assert not Ink.of(io.StringIO()).colour
    monkeypatch.setenv("NO_COLOR", "1")
    assert not Ink.of(Terminal()).colour


@pytest.mark.parametrize("status", RunStatus)
def test_a_status_is_an_icon_and_a_word_also_without_colour(status: RunStatus) -> None:
    assert PLAIN.look(status.look) == f"{status.look.icon} {status.look.word}"


def test_facts_leave_out_what_is_not_known() -> None:
    assert facts(PLAIN, (("run", "r-1"), ("part of", ""), ("status", "done"))) == "run     r-1\nstatus  done"


def test_the_person_s_form_and_the_program_s_are_of_the_same_document(capsys: pytest.CaptureFixture[str]) -> None:
    document: JsonValue = [{"version": "1.0.0"}, {"version": "1.1.0"}]
    result(Output(), document, lambda _: "two releases")
    assert capsys.readouterr().out == "two releases\n"
    result(Output(output=Format.JSON), document, lambda _: "")
    assert json.loads(capsys.readouterr().out) == document
    result(Output(output=Format.JSONL), document, lambda _: "")
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == document


def test_a_result_goes_to_the_file_that_was_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "status.json"
    path.write_text("older and longer than what comes")
    result(Output(output=Format.JSON, to=path), {"a": 1}, lambda _: "")
    assert json.loads(path.read_text()) == {"a": 1}
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == f"written: {path}\n"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_cant_be_written_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(NotWritten, match="No such file"):
        result(Output(to=tmp_path / "nowhere" / "status"), None, lambda _: "")


def test_a_problem_is_what_is_wrong_the_remedy_and_the_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(Refused(what="frozen until Monday", remedy="wait"), as_json=False) is ExitCode.REFUSED
    assert capsys.readouterr().err == "✘ frozen until Monday\n  remedy: wait\n  refused (exit code 3)\n"


def test_a_problem_is_json_where_the_result_would_be(capsys: pytest.CaptureFixture[str]) -> None:
    problem = BadInput(what="no such thing", remedy="name another")
    assert report(problem, as_json=True) is ExitCode.USAGE
    printed = capsys.readouterr()
    assert json.loads(printed.err) == problem.document()
    assert printed.out == ""


def test_a_problem_of_the_server_keeps_its_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    there = Refused(what="held by another run", remedy="ue run watch it")
    assert report(ReportedProblem.read(there.document()), as_json=False) is ExitCode.REFUSED
    assert "refused (exit code 3)" in capsys.readouterr().err
