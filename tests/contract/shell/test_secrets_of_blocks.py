"""What blocks print, in real shells: no secret that any of them was given; and which files a secret is taken from."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import ParamSpec, TypeVar, cast

import pytest

from tests.samples import PRODUCTION
from unioneyes.adapters.shell import BashShell
from unioneyes.environments.secrets import InstalledProviders
from unioneyes.kernel.fencing import Fence
from unioneyes.ports.environment import Environment
from unioneyes.ports.secrets import LONGEST
from unioneyes.runbook.documents.plan import DocumentPlan, DocumentRequest
from unioneyes.runbook.documents.planning import plan_document
from unioneyes.runbook.documents.runbook import RunDocument
from unioneyes.runbook.documents.steps import SecretUnreadable, check_document
from unioneyes.runbook.steps import RunContext, Step, current_run

P = ParamSpec("P")
R = TypeVar("R")
SECRET = "canary-hunter22-canary"
TWO = """\
# Ours

## First

```bash
echo "$API_TOKEN" > left
```

```bash undo
cat left
```

## Second

```bash
cat left
```
"""


class Told:
    """A run that takes its steps at once, and keeps what they told."""

    run_id = "run"

    def __init__(self) -> None:
        self.said: list[str] = []

    def take(self, step: Step[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        return step.function(*args, **kwargs)

    def story(self, run_id: str) -> tuple[()]:
        del run_id
        return ()

    def progress(self, message: str, figures: object) -> None:
        self.said.append(f"{message} {figures}")

    def pause(self, duration: object) -> None:
        del duration


@contextmanager
def telling() -> Iterator[Told]:
    told = Told()
    entered = current_run.set(cast(RunContext, told))
    try:
        yield told
    finally:
        current_run.reset(entered)


@pytest.fixture
def env(tmp_path: Path) -> Environment:
    shell = BashShell(folder=tmp_path, points_at={}, fence=Fence(tmp_path / "blocks.lock"))
    return cast(Environment, SimpleNamespace(shell=shell, queries=None, secrets=InstalledProviders()))


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.touch(mode=0o600)
    file.write_text(f"{SECRET}\n")
    return file


def none_missing(programs: Iterable[str]) -> tuple[str, ...]:
    del programs
    return ()


def planned(given: str) -> DocumentPlan:
    request = DocumentRequest(name="ours.md", text=TWO, values={"API_TOKEN": given})
    return plan_document(request, PRODUCTION, missing=none_missing, sql_by="psql", checked=check_document.planned())


@pytest.mark.parametrize("given", ["@{}", "secret://file{}"])
def test_what_one_block_was_given_no_other_one_prints(env: Environment, secret: Path, tmp_path: Path, given: str) -> None:
    with telling() as told:
        RunDocument().run(env, planned(given.format(secret)))
    assert (tmp_path / "left").read_text() == f"{SECRET}\n", "it stood where the second block found it"
    assert any("[redacted]" in line for line in told.said)
    assert not any(SECRET in line for line in told.said)


def exposed(file: Path) -> None:
    file.chmod(0o644)


def endless(file: Path) -> None:
    file.unlink()
    file.symlink_to("/dev/zero")


def pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file, 0o600)


def large(file: Path) -> None:
    file.write_text("x" * (LONGEST + 1))


def several_lines(file: Path) -> None:
    file.write_text("one\ntwo\n")


def gone(file: Path) -> None:
    file.unlink()


@pytest.mark.timeout(20)
@pytest.mark.parametrize("spoil", [exposed, endless, pipe, large, several_lines, gone])
def test_a_secret_is_taken_from_no_file_that_holds_none(env: Environment, secret: Path, tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    spoil(secret)
    with telling(), pytest.raises(SecretUnreadable, match="API_TOKEN"):
        RunDocument().run(env, planned(f"@{secret}"))
    assert not (tmp_path / "left").exists(), "nothing was done"
