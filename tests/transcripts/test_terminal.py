"""What a person at a terminal sees: a live view, Ctrl-C that leaves the run alone, a server that goes away for a moment."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg
import pytest

from tests.stack import UE, RunningStack, eventually, running_stack
from unioneyes.environments.local.stack import open_stack
from unioneyes.kernel.problems import ExitCode

pytestmark = pytest.mark.stack

SETTINGS = """
bake = "12s"
[waivers]
current-version = "this deploys whatever stands in the work tree"
"""
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A command in a terminal of its own."""

    def __init__(self, command: list[str]) -> None:
        self._ours, theirs = pty.openpty()
        environment = {"PATH": os.environ["PATH"], "TERM": "xterm", "LANG": "C.UTF-8", "COLUMNS": "100", "LINES": "40"}
        self.process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
        os.close(theirs)
        os.set_blocking(self._ours, False)
        self._seen = b""

    def shows(self, text: str) -> bool:
        """Return whether `text` was on the screen at some time."""
        with suppress(OSError):  # nothing new, or the command has ended
            while chunk := os.read(self._ours, 65536):
                self._seen += chunk
        return text in self.text

    def forget(self) -> None:
        """What was shown until now counts no more."""
        self.shows("")
        self._seen = b""

    @property
    def text(self) -> str:
        """Everything that was on the screen."""
        return ESCAPES.sub("", self._seen.decode(errors="replace"))

    def ends(self, *, within: float) -> int | None:
        """Return the exit code; reads on meanwhile, as a terminal does."""
        eventually(lambda: self.shows("") and self.process.poll() is not None, within=within)
        return self.process.poll()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(timeout=10)
        os.close(self._ours)


@contextmanager
def terminal(stack: RunningStack, *words: str) -> Iterator[Terminal]:
    opened = Terminal([UE, *words, "--home", str(stack.home)])
    try:
        yield opened
    finally:
        opened.close()


@pytest.fixture(scope="module")
def stack() -> Iterator[RunningStack]:
    with running_stack(settings=SETTINGS) as running:
        yield running


def test_ctrl_c_leaves_the_run_alone_and_a_server_that_goes_away_is_waited_for(stack: RunningStack) -> None:
    with terminal(stack, "deploy", "start", "1.0.0", "--migrate") as shown:
        assert eventually(lambda: shown.shows("▶ watch_release"))
        assert shown.shows("✔ smoke_test")
        assert shown.shows("○ verify_deployment")
        shown.process.send_signal(signal.SIGINT)
        assert shown.ends(within=10) == ExitCode.DETACHED
        said = re.search(r"goes on. Watch it: ue run watch (\S+)", shown.text)
        assert said is not None
    with terminal(stack, "run", "watch", said[1]) as again:
        assert eventually(lambda: again.shows("▶ watch_release"))
        os.kill(stack.pid("control"), signal.SIGKILL)
        assert again.ends(within=120) == ExitCode.DONE
        assert again.shows("trying again in")
        assert again.shows("1.0.0 serves all traffic on blue")


def test_a_database_that_is_watched_is_looked_for_again_when_it_is_away_and_ctrl_c_ends_that(stack: RunningStack) -> None:
    url = open_stack(stack.home).administrative_url("postgres").get_secret_value()
    with psycopg.connect(url, autocommit=True) as admin, terminal(stack, "db", "status", "--watch") as shown:
        assert eventually(lambda: shown.shows("unioneyes of local: PostgreSQL 18"))
        assert shown.shows("; Ctrl-C ends it")
        admin.execute("ALTER ROLE ue_operator NOLOGIN")
        try:
            assert eventually(lambda: shown.shows("lets nobody in: role"))
            assert shown.shows("ALTER ROLE ue_operator LOGIN")
        finally:
            admin.execute("ALTER ROLE ue_operator LOGIN")
        shown.forget()
        assert eventually(lambda: shown.shows("unioneyes of local: PostgreSQL 18"))
        shown.process.send_signal(signal.SIGINT)
        assert shown.ends(within=10) == ExitCode.DETACHED
        assert shown.shows("no longer watching")


def test_what_is_watched_and_piped_has_a_time_above_each_look_and_as_one_object_it_is_refused(stack: RunningStack) -> None:
    with subprocess.Popen([UE, "db", "status", "--watch", "--home", str(stack.home)], stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        looks = [line for line, _ in zip((each for each in watching.stdout if re.match(r"\d{4}-", each)), range(3), strict=False)]
        watching.send_signal(signal.SIGINT)
    assert (len(set(looks)), watching.returncode) == (3, ExitCode.DETACHED)
    refused = stack.ue("db", "status", "--watch", "-o", "json")
    assert (refused.code, "-o jsonl prints one on each line" in refused.err) == (ExitCode.REFUSED, True)
