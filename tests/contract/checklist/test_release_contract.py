"""The release contract on real git and real reports: only a whole, green one of the very commit that goes out opens the gate."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from unioneyes.adapters.git import ReleaseChecklist
from unioneyes.adapters.git.junit import LARGEST_REPORT
from unioneyes.ports.checklist import Gate, GateState

PASSING, FAILING, SKIPPED = '<testcase classname="a" name="t1"/>', '<testcase classname="a" name="t2"><failure message="no"/></testcase>', "<skipped/>"
CONFTEST = """
import pytest

@pytest.fixture(scope="session", autouse=True)
def of(record_testsuite_property):
    record_testsuite_property("commit", "{commit}")
"""
ERROR = '<testcase name="t3"><error message="no"/></testcase>'


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A work tree with a commit, and where continuous integration reports on it."""

    folder: Path
    report: Path

    @property
    def commit(self) -> str:
        return git(self.folder, "rev-parse", "HEAD").strip()

    def gate(self) -> Gate:
        return ReleaseChecklist(folder=self.folder, staging_url=None, report=self.report, waivers={}).release_contract()

    def reported(self, *suites: str) -> Gate:
        self.report.write_text(f"<testsuites>{''.join(suites)}</testsuites>")
        return self.gate()

    def suite(self, *cases: str, commit: str | None = None, said: str = "") -> str:
        return f'<testsuite name="s" {said}>{of(commit or self.commit)}{"".join(cases)}</testsuite>'


def of(commit: str) -> str:
    return f'<properties><property name="python" value="3.11"/><property name="commit" value="{commit}"/></properties>'


def git(folder: Path, *words: str) -> str:
    if shutil.which("git") is None:
        pytest.skip("git is not installed; without it there is no commit that a report could be of")
    identity = {"GIT_AUTHOR_NAME": "Member One", "GIT_AUTHOR_EMAIL": "member-1@example.org"}
    identity |= {"GIT_COMMITTER_NAME": "Member One", "GIT_COMMITTER_EMAIL": "member-1@example.org", "GIT_CONFIG_GLOBAL": os.devnull}
    done = subprocess.run(("git", "-C", str(folder), *words), check=True, capture_output=True, text=True, env={**os.environ, **identity}, timeout=20)
    return done.stdout


@pytest.fixture
def source(tmp_path: Path) -> Source:
    (folder := tmp_path / "source").mkdir()
    git(folder, "init", "-q")
    (folder / "code.py").write_text("one = 1\n")
    git(folder, "add", "code.py")
    git(folder, "commit", "-qm", "Begin")
    return Source(folder=folder, report=tmp_path / "report.xml")


def test_a_green_report_of_the_commit_opens_it_and_its_digest_is_what_is_signed(source: Source) -> None:
    gate = source.reported(source.suite(PASSING, f'<testcase name="x">{SKIPPED}</testcase>'), source.suite(PASSING))
    assert (gate.name, gate.state) == ("release-contract", GateState.PASSED)
    assert gate.detail == f"2 tests passed on {source.commit[:12]}, 1 skipped"
    assert gate.read == ("continuous integration's report", hashlib.sha256(source.report.read_bytes()).hexdigest())


def test_what_pytest_itself_writes_of_the_commit_is_read(source: Source, tmp_path: Path) -> None:
    (tests := tmp_path / "tests").mkdir()
    (tests / "conftest.py").write_text(CONFTEST.format(commit=source.commit))
    (tests / "test_it.py").write_text("def test_one():\n    pass\n")
    run = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, f"--rootdir={tests}", f"--junitxml={source.report}", str(tests))
    subprocess.run(run, check=True, capture_output=True, timeout=60)
    assert source.gate().detail == f"1 test passed on {source.commit[:12]}"
    (tests / "test_it.py").write_text("def test_one():\n    assert False\n")
    assert subprocess.run(run, check=False, capture_output=True, timeout=60).returncode == 1
    gate = source.gate()
    assert gate.state is GateState.FAILED
    assert "1 test went wrong" in gate.detail
    assert "test_it.test_one" in gate.detail


@pytest.mark.parametrize(
    ("cases", "said", "told"),
    [
        ((PASSING, FAILING), "", "1 test went wrong on {short}; the first: a.t2"),
        ((PASSING, ERROR), "", "1 test went wrong on {short}; the first: t3"),
        ((PASSING,), 'tests="3" failures="1" errors="1"', "2 tests went wrong on {short}"),
    ],
    ids=["a failure", "an error", "a count without its tests"],
)
def test_whatever_went_wrong_closes_it(source: Source, cases: tuple[str, ...], said: str, told: str) -> None:
    gate = source.reported(source.suite(PASSING), source.suite(*cases, said=said))
    assert (gate.state, gate.detail) == (GateState.FAILED, told.format(short=source.commit[:12]))
    assert gate.read == ("continuous integration's report", hashlib.sha256(source.report.read_bytes()).hexdigest())


def test_a_green_report_of_another_commit_is_none_of_this_one_and_neither_is_a_red_one(source: Source) -> None:
    before = source.commit
    assert source.reported(source.suite(PASSING)).state is GateState.PASSED
    (source.folder / "code.py").write_text("one = 2\n")
    git(source.folder, "commit", "-qam", "Go on")
    for case in (PASSING, FAILING):
        gate = source.reported(source.suite(case, commit=before))
        assert gate.state is GateState.UNAVAILABLE
        assert f"names {before[:12]}, and {source.commit[:12]} goes out" in gate.detail
        assert f"wait for the report on {source.commit[:12]}" in gate.remedy


def test_every_part_of_a_report_must_say_its_commit(source: Source) -> None:
    bare = f'<testsuite name="s">{PASSING}</testsuite>'
    this, other = source.commit, "0" * 40
    assert "names no commit, and" in source.reported(bare).detail
    assert source.reported(source.suite(PASSING), bare).state is GateState.UNAVAILABLE
    assert source.reported(source.suite(PASSING), source.suite(PASSING, commit=other)).state is GateState.UNAVAILABLE
    assert source.reported(source.suite(PASSING, commit=this[:12])).state is GateState.UNAVAILABLE, "a part of a name is another one's, too"
    assert source.reported(source.suite(source.suite(PASSING, commit=other))).state is GateState.UNAVAILABLE
    assert source.reported(PASSING, source.suite(PASSING)).state is GateState.UNAVAILABLE, "a test beside the suites"
    assert source.reported(of(this), bare, bare).state is GateState.PASSED, "what the whole says holds for its parts"
    assert source.reported(f"<testsuite>{source.suite(PASSING)}</testsuite>").state is GateState.PASSED


def test_what_no_test_ran_for_is_not_passed(source: Source) -> None:
    for cases in ((), (f'<testcase name="x">{SKIPPED}</testcase>',)):
        gate = source.reported(source.suite(*cases))
        assert gate.state is GateState.UNAVAILABLE
        assert "no test of" in gate.detail


def test_a_report_that_is_not_there_or_is_none_opens_nothing(source: Source) -> None:
    gate = source.gate()
    assert (gate.state, gate.detail) == (GateState.UNAVAILABLE, f"{source.report} can't be read: No such file or directory")
    whole = f"<testsuites>{source.suite(PASSING)}</testsuites>"
    wrong = {
        whole[:-9]: "is no XML",
        "": "is no XML",
        '{"passed": true}': "is no XML",
        "<html/>": "is no report of tests in JUnit's form: it begins with <html>",
        f"<?xml version='1.0' encoding='klingon'?>{whole}": "is no XML",
        f'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]>{whole.replace("t1", "&a;")}': "is no XML",
    }
    for text, told in wrong.items():
        source.report.write_text(text)
        gate = source.gate()
        assert gate.state is GateState.UNAVAILABLE, text
        assert told in gate.detail
        assert gate.remedy


def test_a_report_that_never_ends_is_not_read_to_its_end(source: Source) -> None:
    with source.report.open("wb") as file:
        file.truncate(LARGEST_REPORT + 1)
    assert "is larger than 64 MiB" in source.gate().detail


def test_a_work_tree_that_is_no_longer_its_commit_has_no_report(source: Source) -> None:
    assert source.reported(source.suite(PASSING)).state is GateState.PASSED
    (source.folder / "code.py").write_text("one = 2\n")
    gate = source.gate()
    assert (gate.state, gate.detail) == (GateState.UNAVAILABLE, "no report is of what goes out: 1 tracked file differs from the commit")


def test_a_source_without_git_and_an_environment_without_a_report_open_nothing(source: Source, tmp_path: Path) -> None:
    source.reported(source.suite(PASSING))
    gone = ReleaseChecklist(folder=tmp_path, staging_url=None, report=source.report, waivers={}).release_contract()
    assert gone.state is GateState.UNAVAILABLE
    assert "is no work tree of git" in gone.detail
    unnamed = ReleaseChecklist(folder=source.folder, staging_url=None, waivers={}).release_contract()
    assert (unnamed.state, unnamed.detail) == (GateState.UNAVAILABLE, "this environment names no report of continuous integration")
    assert "[release_contract] report" in unnamed.remedy
