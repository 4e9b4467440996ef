"""Runs scripts by bash. Implements `ports.shell.Shell`."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from unioneyes.adapters.shell.leashed import leashed
from unioneyes.kernel.fencing import Fence
from unioneyes.kernel.units import format_duration
from unioneyes.ports.shell import BlockFailed, BlockTookTooLong, Ran

_INHERITED = (
    *("HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "SSH_AUTH_SOCK", "SSL_CERT_FILE"),
    *("KUBECONFIG", "PGPASSFILE", "PGSERVICEFILE"),
)
"""Of the server's own environment, what a script gets: none of it is a secret, some of it names a file that holds one."""
_BASH = ("bash", "--noprofile", "--norc", "-euo", "pipefail", "-c")
_SHOWN = 2_000
"""Bytes of the output that an error tells."""
_SIGNALLED = 128
"""Exit codes from here on are of what a signal ended, maybe in the middle of a line."""
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
    fence: Fence
    """Lets no script begin, or go on, of a run that something newer took over from."""

    def missing(self, programs: Iterable[str]) -> tuple[str, ...]:
        """Return those of `programs` that can't be run here, in their order."""
        return tuple(program for program in dict.fromkeys(programs) if not self._can_run(program))

    def run(self, script: str, *, variables: Mapping[str, str], within: timedelta, meanwhile: Callable[[str], None]) -> Ran:
        """`script` was run to its end. See the port."""
        began = time.monotonic()
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        environment = {**inherited, "PATH": self._path, **self.points_at, **variables}
        with ExitStack() as closing:
            try:
                block = closing.enter_context(leashed((*_BASH, script), folder=self.folder, environment=environment, fence=self.fence))
            except OSError as error:
                raise BlockFailed(what=f"bash can't be run in {self.folder}: {error.strerror}", remedy="see that the folder and bash are there") from None
            in_time = block.follow(began + within.total_seconds(), lambda: meanwhile(block.kept.last_line()))
        block.kept.close(whole=in_time and block.code < _SIGNALLED)
        took = timedelta(seconds=time.monotonic() - began)
        if not in_time:
            raise BlockTookTooLong(
                what=f"the block did not end within {format_duration(within)} and was ended: {block.kept.end(_SHOWN)}",
                remedy="look at how far it got; give it longer by `timeout=DURATION` behind the fence",
            )
        if block.code != 0:
            self.fence.check()
            raise BlockFailed(what=f"the block ended with {block.code}: {block.kept.end(_SHOWN)}", remedy="look at what it printed and at how far it got")
        return Ran(output=block.kept.text(), took=took)

    @property
    def _path(self) -> str:
        return os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))

    def _can_run(self, program: str) -> bool:
        if "/" in program:
            return os.access(self.folder / program, os.X_OK)
        return program in _BUILTINS or shutil.which(program, path=self._path) is not None
