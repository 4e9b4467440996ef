"""A program between the worker and a script: when the worker lets go of its end of standard input, or dies, the script ends with all that it started.

Run as `python leash.py COMMAND ...`. It prints nothing of its own, and ends as the command does.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
from contextlib import suppress

PIDFD_OPEN = 434
"""pidfd_open(2), as `kernel/pidfd.py` says it: this program stands alone, and imports nothing of the product."""
GRACE_MILLISECONDS = 2000
"""Between being told to end and being killed."""


def main() -> int:
    """Run the command; return its exit code, or 128 and the number of its signal, as shells do."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # only the worker's end of the pipe counts
    child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=_as_usual)  # noqa: PLW1509 - one thread
    handle = ctypes.CDLL(None).syscall(PIDFD_OPEN, child.pid, 0)
    waiting = select.poll()
    waiting.register(handle, select.POLLIN)
    waiting.register(0, select.POLLIN | select.POLLHUP)
    ended = {number for number, _ in waiting.poll()}
    if handle not in ended:
        _tell(child.pid, signal.SIGTERM)
        waiting.unregister(0)
        waiting.poll(GRACE_MILLISECONDS)
    _tell(child.pid, signal.SIGKILL)  # while it is not waited for, its number can't be another process's
    code = child.wait()
    return code if code >= 0 else 128 - code


def _as_usual() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _tell(group: int, order: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, order)


if __name__ == "__main__":
    sys.exit(main())
