"""How `ue runbook` finds files, takes values, and asks for those that lack."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from unioneyes.cli import main as cli
from unioneyes.cli.options import Where
from unioneyes.cli.own_files import NoSuchRunbook, find_file, read_file
from unioneyes.cli.runbook import Choice, ValueMissing, WrongSet, run

LOOK = '# Look\n\n```bash\nwatch date\necho "$VERSION" $NOTE\n```\n'


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def where(tmp_path: Path) -> Where:
    (tmp_path / "home").mkdir()
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "look.md").write_text(LOOK)
    (tmp_path / "home" / "environment.toml").write_text(f'[runbooks]\nfolder = "{tmp_path / "own"}"\n')
    return Where(home=tmp_path / "home")


def test_a_file_is_found_by_its_path_or_by_its_name_in_the_folder(where: Where, tmp_path: Path) -> None:
    there = tmp_path / "own" / "look.md"
    assert find_file(str(there), where) == there
    assert find_file("look.md", where) == there
    assert find_file("look", where) == there
    assert find_file("../own/look.md", where) is None
    with pytest.raises(NoSuchRunbook, match="none of that name in"):
        read_file("nowhere", where)


def lint(where: Where, monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["ue", "runbook", "lint", "look", "--home", str(where.home), *words])
    return cli.main()


def test_lint_needs_no_server_and_ends_with_1_when_there_is_an_error(
    where: Where, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert lint(where, monkeypatch) == 1
    printed = capsys.readouterr().out
    assert "4     ✘ error   never-ends" in printed
    assert "1 error, 0 warnings, 1 note" in printed
    assert lint(where, monkeypatch, "-o", "json") == 1
    printed_json = json.loads(capsys.readouterr().out)
    assert printed_json["version"] == 1
    assert [finding["rule"] for finding in printed_json["findings"]] == ["never-ends", "unquoted-parameter"]
    assert lint(where, monkeypatch, "-o", "jsonl") == 1
    assert [json.loads(line)["line"] for line in capsys.readouterr().out.splitlines()] == [4, 5]
    assert lint(where, monkeypatch, "-o", "sarif", "--to", str(tmp_path / "found.sarif")) == 1
    assert json.loads((tmp_path / "found.sarif").read_text())["runs"][0]["results"][0]["level"] == "error"
    (tmp_path / "own" / "look.md").write_text("# Look\n\n```bash\ndate\n```\n")
    assert lint(where, monkeypatch) == 0
    assert "nothing was found" in capsys.readouterr().out


def test_a_value_that_lacks_is_refused_where_nobody_is_there_to_ask(where: Where, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    with pytest.raises(ValueMissing, match=r"NOTE \(one line"):
        run("look", choice=Choice(set=("VERSION=1.0",)), where=where)


def test_nobody_is_asked_for_what_no_step_of_the_part_uses(where: Where, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "own" / "look.md").write_text('# Look\n\n```bash undo\nrm "$OLD"\n```\n\n```bash\necho "$NOTE"\n```\n')
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    with pytest.raises(ValueMissing) as missing:
        run("look", where=where)
    assert "OLD" not in missing.value.what


def test_a_person_is_asked_again_until_the_value_is_right(where: Where, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal("newest\n1.4.0\n"))
    with pytest.raises(ValueMissing, match="NOTE was not given"):
        run("look", where=where)
    asked = capsys.readouterr().err
    assert asked.count("VERSION (a version, such as 1.4.0; lines 5): ") == 2
    assert "it must be a version" in asked


def test_a_value_needs_its_name(where: Where) -> None:
    with pytest.raises(WrongSet, match=r"--set 1\.0"):
        run("look", choice=Choice(set=("1.0",)), where=where)


def test_a_part_can_be_chosen_of_documents_only(where: Where) -> None:
    with pytest.raises(WrongSet, match="for documents"):
        run("own.greet", choice=Choice(only="Look"), where=where)
