"""Runs scripts by bash. Implements `ports.shell.Shell`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from threading import Thread

from unioneyes.adapters.shell.output import Kept
from unioneyes.kernel.units import format_duration
from unioneyes.ports.shell import BlockFailed, BlockTookTooLong, Ran

_INHERITED = (
    *("HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "SSH_AUTH_SOCK", "SSL_CERT_FILE"),
    *("KUBECONFIG", "PGPASSFILE", "PGSERVICEFILE"),
)
"""Of the server's own environment, what a script gets: none of it is a secret, some of it names a file that holds one."""
_BASH = ("bash", "--noprofile", "--norc", "-euo", "pipefail", "-c")
_POLL_SECONDS = 0.1
_ENDS_WITHIN_SECONDS = 10
_SHOWN = 2_000
"""Characters of the output that an error tells."""
_BUILTINS = {
    *("source", ".", ":", "[", "alias", "bg", "bind", "break", "builtin", "caller", "cd", "command", "continue", "declare", "dirs", "disown", "echo", "enable"),
    *("eval", "exec", "exit", "export", "false", "fg", "getopts", "hash", "help", "history", "jobs", "kill", "let", "local", "mapfile", "popd", "printf"),
    *("pushd", "pwd", "read", "readarray", "readonly", "return", "set", "shift", "shopt", "test", "times", "trap", "true", "type", "typeset", "ulimit"),
    *("umask", "unalias", "unset", "wait"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BashShell:
    """Scripts run in `folder`, with `ue` on their path, pointed at the same environment."""

    folder: Path
    points_at: Mapping[str, str]
    """What points `ue` at this environment: UE_ENV, UE_HOME."""

    def missing(self, programs: Iterable[str]) -> tuple[str, ...]:
        """Return those of `programs` that can't be run here, in their order."""
        return tuple(program for program in dict.fromkeys(programs) if not self._can_run(program))

    def run(self, script: str, *, variables: Mapping[str, str], within: timedelta, meanwhile: Callable[[str], None]) -> Ran:
        """`script` was run to its end. See the port."""
        began = time.monotonic()
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        argv = (sys.executable, "-I", "-S", str(Path(__file__).with_name("leash.py")), *_BASH, script)
        try:
            process = subprocess.Popen(
                argv,
                cwd=self.folder,
                env={**inherited, "PATH": self._path, **self.points_at, **variables},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise BlockFailed(what=f"bash can't be run in {self.folder}: {error.strerror}", remedy="see that the folder and bash are there") from None
        kept = Kept()
        reader = Thread(target=_read, args=(process, kept), name="block-output", daemon=True)
        reader.start()
        try:
            in_time = _wait(process, began + within.total_seconds(), lambda: meanwhile(kept.last_line()))
        finally:
            _let_go(process)
            reader.join(_ENDS_WITHIN_SECONDS)
            if process.stdout is not None and not reader.is_alive():  # what left its group by itself may hold the other end for ever
                process.stdout.close()
        took = timedelta(seconds=time.monotonic() - began)
        if not in_time:
            raise BlockTookTooLong(
                what=f"the block did not end within {format_duration(within)} and was ended: {_end(kept)}",
                remedy="look at how far it got; give it longer by `timeout=DURATION` behind the fence",
            )
        if process.returncode != 0:
            raise BlockFailed(what=f"the block ended with {process.returncode}: {_end(kept)}", remedy="look at what it printed and at how far it got")
        return Ran(output=kept.text(), took=took)

    @property
    def _path(self) -> str:
        return os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))

    def _can_run(self, program: str) -> bool:
        if "/" in program:
            return os.access(self.folder / program, os.X_OK)
        return program in _BUILTINS or shutil.which(program, path=self._path) is not None


def _read(process: subprocess.Popen[bytes], kept: Kept) -> None:
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    while chunk := os.read(process.stdout.fileno(), 65536):
        kept.add(chunk)


def _wait(process: subprocess.Popen[bytes], until: float, meanwhile: Callable[[], None]) -> bool:
    """Return True when the process ended before `until`."""
    while process.poll() is None:
        if time.monotonic() >= until:
            return False
        meanwhile()
        time.sleep(_POLL_SECONDS)
    return True


def _let_go(process: subprocess.Popen[bytes]) -> None:
    """The process, and all that it started, has ended."""
    assert process.stdin is not None  # noqa: S101 - it is a pipe
    process.stdin.close()
    try:
        process.wait(_ENDS_WITHIN_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _end(kept: Kept) -> str:
    text = kept.text().strip()
    return text[-_SHOWN:] if text else "it printed nothing"
