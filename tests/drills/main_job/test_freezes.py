"""A window of the calendar, as the policy's file has it: deployments wait for its end, what is under way goes on, and the way back is open all along."""

from __future__ import annotations

import shutil
import sys
import sysconfig
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from tests.drills.main_job.main_job import MainJob
from tests.stack import running_stack
from unioneyes.kernel.clock import now
from unioneyes.kernel.project import project_path

CARRIED = ("src", "policy", "db", "docs/measured")
"""What of the project an installation carries."""
FROZEN = "local: [{{name: year-end, reason: the books are closed, time_zone: UTC, starts: '{starts:%Y-%m-%dT%H:%M}', lasts: 3h}}]\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    """A stack that 1.1.0 serves, and the calendar that it heeds."""

    job: MainJob
    calendar: Path

    def freeze(self) -> None:
        self.calendar.write_text(FROZEN.format(starts=now() - timedelta(hours=1)))

    def thaw(self) -> None:
        self.calendar.write_text("local: []\n")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation of the program with a policy of its own: that of the work tree stays what everybody else's drills heed."""
    root = tmp_path_factory.mktemp("installed")
    for folder in CARRIED:
        shutil.copytree(project_path(folder), root / folder)
    venv.create(root / "venv", symlinks=True)
    (libraries,) = (root / "venv" / "lib").glob("python*/site-packages")
    (libraries / "installed.pth").write_text(f"{root / 'src'}\n{sysconfig.get_path('purelib')}\n")  # its own code, and the libraries of this one
    for program in Path(sys.executable).parent.iterdir():
        if not (beside := root / "venv" / "bin" / program.name).exists():
            beside.symlink_to(program)
    (ue := root / "venv" / "bin" / "ue").unlink()
    ue.write_text(f"#!{root / 'venv' / 'bin' / 'python'}\nfrom unioneyes.cli.main import main\nraise SystemExit(main())\n")
    ue.chmod(0o700)
    return root


@pytest.fixture(scope="module")
def frozen(installed: Path) -> Iterator[Frozen]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.stack.UE", str(installed / "venv" / "bin" / "ue"))
        with running_stack() as stack:
            job = MainJob(stack=stack)
            job.deployed("1.1.0", "--migrate", "--bake", "1s")
            yield Frozen(job=job, calendar=installed / "policy" / "freezes.yaml")


@pytest.mark.campaign
def test_in_a_frozen_window_nothing_goes_out_what_is_under_way_goes_on_and_the_way_back_is_open(frozen: Frozen) -> None:
    job = frozen.job
    run = job.started("1.0.0", "--bake", "60s")
    job.wait_for_step(run, "watch_release")

    frozen.freeze()
    assert "year-end" in job.stack.ue("freeze", "list").out
    assert job.shown(run)["status"] == "running"
    back = job.stack.ue("rollback", "traffic", "--reason", "members complain", "--yes", "-o", "json", within=90)
    assert back.code == 0, back.err
    assert job.run(back)["status"] == "done"
    before, ledger = job.serving(), job.ledger()
    assert (before.version, before.idle_version) == ("1.1.0", None)

    refused = job.deploy("1.0.0", "--bake", "1s")
    assert refused.code == 3, refused.out
    assert "No change freeze is failed: year-end, until " in refused.err
    assert "the books are closed" in refused.err
    assert (job.serving(), job.ledger()) == (before, ledger)

    frozen.thaw()
    job.deployed("1.0.0", "--bake", "1s")
    assert job.serving().version == "1.0.0"
