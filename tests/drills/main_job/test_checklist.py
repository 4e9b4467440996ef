"""The checklist where it waives nothing of what is asked here: a dirty work tree keeps a release back, a source without git does not."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.drills.main_job.main_job import MainJob
from tests.stack import running_stack

REPORT = """
<testsuite name="contract"><properties><property name="commit" value="{commit}"/></properties><testcase name="rls">{case}</testcase></testsuite>
"""
SETTINGS = """
enforced = ["current-version"]
[source]
folder = "{folder}"
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("source")


@pytest.fixture(scope="module")
def strict(source: Path) -> Iterator[MainJob]:
    """A stack on which 1.0.0 went out while git did not keep `source`; it deploys what stands there, and believes git alone."""
    with running_stack(settings=SETTINGS.format(folder=source)) as stack:
        job = MainJob(stack=stack)
        job.deployed("1.0.0", "--migrate", "--bake", "1s")
        yield job


@pytest.fixture
def work_tree(source: Path) -> Iterator[Path]:
    """`source` is a work tree with a commit and no tag."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed; the gate is not applicable then, which a test of its own shows")
    git(source, "init", "-q")
    (source / "code.py").write_text("one = 1\n")
    git(source, "add", "code.py")
    git(source, "commit", "-qm", "Begin")
    yield source
    shutil.rmtree(source / ".git")


def test_a_dirty_work_tree_is_refused_and_nothing_was_changed(strict: MainJob, work_tree: Path) -> None:
    (work_tree / "code.py").write_text("one = 2\n")
    before, ledger = strict.serving(), strict.ledger()
    said = strict.deploy("1.1.0", "--migrate", "--bake", "1s")
    assert said.code == 3, said.out
    assert "1 tracked file differs from the commit" in said.err
    assert "commit or stash the changes: git status" in said.err
    assert (strict.serving(), strict.ledger()) == (before, ledger)
    assert before.idle_version is None


def test_a_source_without_tags_goes_out_by_its_commit(strict: MainJob, work_tree: Path) -> None:
    commit = git(work_tree, "rev-parse", "--short", "HEAD").strip()
    assert current_version(strict) == ("passed", commit)


def test_a_source_without_git_goes_out_and_the_checklist_says_that_nothing_was_verified(strict: MainJob, source: Path) -> None:
    assert current_version(strict) == ("not-applicable", f"{source} is no work tree of git")
    assert strict.serving().version == "1.0.0"


def test_without_a_staging_nothing_goes_out_unless_the_policy_says_so_by_name(strict: MainJob) -> None:
    settings = strict.stack.layout.settings
    text = settings.read_text()
    settings.write_text(text.replace('enforced = ["current-version"]', 'enforced = ["staging-health"]'))
    try:
        assert strict.stack.start().code == 0
        said = strict.deploy("1.1.0", "--migrate", "--bake", "1s")
    finally:
        settings.write_text(text)
        assert strict.stack.start().code == 0
    assert said.code == 3, said.out
    assert "Verify staging deployment is unavailable: this environment names no staging" in said.err
    assert "[staging] url" in said.err


def test_only_a_green_report_of_the_commit_opens_the_release_contract_and_the_plan_signs_it(strict: MainJob, work_tree: Path, tmp_path: Path) -> None:
    settings, report = strict.stack.layout.settings, tmp_path / "report.xml"
    text, commit = settings.read_text(), git(work_tree, "rev-parse", "HEAD").strip()
    settings.write_text(f'{text.replace("current-version", "release-contract")}\n[release_contract]\nreport = "{report}"\n')
    try:
        assert strict.stack.start().code == 0
        unreported = strict.deploy("1.1.0", "--migrate", "--bake", "1s")
        report.write_text(REPORT.format(commit=commit, case="<failure/>"))
        red = strict.deploy("1.1.0", "--migrate", "--bake", "1s")
        report.write_text(REPORT.format(commit="0" * 40, case=""))
        of_another = strict.deploy("1.1.0", "--migrate", "--bake", "1s")
        report.write_text(REPORT.format(commit=commit, case=""))
        green = strict.deploy("1.1.0", "--migrate", "--dry-run")
    finally:
        settings.write_text(text)
        assert strict.stack.start().code == 0
    for refused, why in ((unreported, "can't be read"), (red, f"1 test went wrong on {commit[:12]}"), (of_another, f"{commit[:12]} goes out")):
        assert refused.code == 3, refused.out
        assert "Release Contract CI passing" in refused.err
        assert why in refused.err
    assert strict.serving().version == "1.0.0"
    assert green.code == 0, green.err
    assert hashlib.sha256(report.read_bytes()).hexdigest() in green.out


def current_version(job: MainJob) -> tuple[str, str]:
    """Return what the gate says in the plan of a deployment that would be started."""
    planned = job.deploy("1.1.0", "--migrate", "--dry-run")
    assert planned.code == 0, planned.err
    details = job.run(planned)["details"]
    assert isinstance(details, dict)
    gates = details["gates"]
    assert isinstance(gates, list)
    return next((str(gate["state"]), str(gate["detail"])) for gate in gates if isinstance(gate, dict) and gate["name"] == "current-version")


def git(folder: Path, *words: str) -> str:
    identity = {"GIT_AUTHOR_NAME": "Member One", "GIT_AUTHOR_EMAIL": "member-1@example.org"}
    identity |= {"GIT_COMMITTER_NAME": "Member One", "GIT_COMMITTER_EMAIL": "member-1@example.org", "GIT_CONFIG_GLOBAL": os.devnull}
    done = subprocess.run(("git", "-C", str(folder), *words), check=True, capture_output=True, text=True, env={**os.environ, **identity}, timeout=20)
    return done.stdout
