"""Programs that are heard while they run: what they print, what they complain of, and that nothing of them is left."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from datetime import timedelta

import pytest

from unioneyes.adapters.postgres.programs import Finished, ProgramFailed, ended_program, run_program, streamed_program, told_program
from unioneyes.kernel.cancelling import look_at_run
from unioneyes.runbook.steps import RunStopped, Stop

WITHIN = timedelta(seconds=20)
VERBOSE = "echo 'pg_dump: dumping contents of table \"a\"' >&2; "


def shell(text: str) -> tuple[str, ...]:
    return ("/bin/sh", "-c", text)


def test_what_is_printed_comes_piece_by_piece_and_each_complaint_is_heard() -> None:
    heard: list[str] = []
    with streamed_program(shell(f"{VERBOSE}printf one; printf two"), within=WITHIN, heard=heard.append) as stream:
        assert stream.read() == b"onetwo"
    assert heard == ['pg_dump: dumping contents of table "a"']


@pytest.mark.parametrize("code", [1, 7])
def test_a_failure_is_told_by_its_first_error_and_not_by_its_progress(code: int) -> None:
    fails = f"{VERBOSE}echo 'pg_dump: error: no room' >&2; echo 'pg_dump: detail: none at all' >&2; {VERBOSE}exit {code}"
    with pytest.raises(ProgramFailed, match=r"sh failed: pg_dump: error: no room / pg_dump: detail: none at all \(ue"):
        streamed(fails)
    with pytest.raises(ProgramFailed, match=r"sh failed: pg_dump: error: no room / pg_dump: detail: none at all \(ue"):
        told_program(shell(fails), within=WITHIN, heard=lambda _: None)


def test_a_failure_after_all_was_printed_is_one_all_the_same() -> None:
    with pytest.raises(ProgramFailed, match="exit code 3"):
        streamed("printf all; exit 3")


def test_what_takes_too_long_is_ended_with_all_that_it_started() -> None:
    for run in (streamed, told):
        with pytest.raises(ProgramFailed, match="did not end within"):
            run(f"sleep {shlex.quote('60')} & echo begun >&2; wait", within=timedelta(seconds=0.3))


@pytest.mark.parametrize("run", [run_program, ended_program], ids=["that must end well", "whatever it ends with"])
@pytest.mark.parametrize("ends", ["", "trap 'exit 1' TERM; "], ids=["by the signal", "with a code of its own"])
def test_a_program_that_was_ended_with_its_run_has_not_failed(run: Callable[..., Finished], ends: str) -> None:
    def stop() -> None:
        raise RunStopped(Stop.CANCELLED)

    outside = look_at_run.set(stop)
    try:
        with pytest.raises(RunStopped):
            run(shell(f"{ends}sleep 60 & wait"), within=WITHIN)
    finally:
        look_at_run.reset(outside)


def test_what_a_program_says_by_its_code_is_returned_to_who_asks_for_it() -> None:
    ended = ended_program(shell("echo out; echo err >&2; exit 3"), within=WITHIN)
    assert (ended.stdout, ended.stderr, ended.code) == ("out\n", "err\n", 3)


def test_a_block_that_breaks_off_ends_the_program() -> None:
    with pytest.raises(KeyError):
        broken_off("while :; do echo more; done")


def streamed(text: str, *, within: timedelta = WITHIN) -> None:
    with streamed_program(shell(text), within=within, heard=lambda _: None) as stream:
        stream.read()


def told(text: str, *, within: timedelta = WITHIN) -> None:
    told_program(shell(text), within=within, heard=lambda _: None)


def broken_off(text: str) -> None:
    with streamed_program(shell(text), within=WITHIN, heard=lambda _: None) as stream:
        stream.read(10)
        raise KeyError
