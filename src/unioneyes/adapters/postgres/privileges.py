"""PostgreSQL refuses to run as root: started by root, it runs as `nobody`; and it never outlives whoever started it.

Two ways, tried in this order. In a user namespace the process is root outside, so the files stay root's and a home with mode 0700 stays readable, while
PostgreSQL sees itself as `nobody`. Where namespaces are not allowed (many containers), the process really becomes `nobody`; its data folder is handed over,
and of root's powers it keeps the one to pass file permissions, so that the same homes stay readable.
"""

from __future__ import annotations

import os
import pwd
import subprocess
from enum import Enum
from functools import cache
from pathlib import Path

from unioneyes.kernel.problems import Problem
from unioneyes.kernel.variables import handed_on

_OVERFLOW_ID = 65534
"""The user and group that Linux itself calls nobody."""
_PROBE_SECONDS = 5
_DIE_WITH_PARENT = ("setpriv", "--pdeathsig", "KILL")
"""Given after the user changed: changing it clears the signal that a parent may have asked for."""


class NoUnprivilegedUser(Problem):
    """Root can't become an unprivileged user here."""


class Way(Enum):
    """How PostgreSQL gets to run without being root."""

    AS_IT_IS = "as it is"
    NAMESPACE = "user namespace"
    BECOME_NOBODY = "become nobody"


@cache
def way() -> Way:
    """Return the way that works on this machine. Raises: NoUnprivilegedUser."""
    if os.geteuid() != 0:
        return Way.AS_IT_IS
    for candidate in (Way.NAMESPACE, Way.BECOME_NOBODY):
        if _succeeds((*_prefix(candidate), "true")):
            return candidate
    raise NoUnprivilegedUser(
        what="PostgreSQL can't run as root, and neither `unshare --user` nor `setpriv --reuid` works here",
        remedy="run ue as a normal user, or install util-linux",
    )


def unprivileged(argv: tuple[str, ...]) -> tuple[str, ...]:
    """Return the command that runs `argv` unprivileged."""
    return (*_prefix(way()), *argv)


def unprivileged_child(argv: tuple[str, ...]) -> tuple[str, ...]:
    """Return the command that runs `argv` unprivileged, and is killed when the thread that started it ends."""
    return (*_prefix(way()), *_DIE_WITH_PARENT, "--", *argv)


def hand_over(path: Path) -> None:
    """`path`, and what is in it, belongs to the user that PostgreSQL runs as."""
    if way() is Way.BECOME_NOBODY:
        _give(path, *_nobody())


def take_over(path: Path) -> None:
    """`path`, and what is in it, belongs to this process's user: what root unpacks belongs to whoever packed it."""
    if os.geteuid() == 0:
        _give(path, os.geteuid(), os.getegid())


def _give(path: Path, user: int, group: int) -> None:
    os.chown(path, user, group)
    for folder, folders, files in os.walk(path):
        for name in (*folders, *files):
            os.chown(Path(folder) / name, user, group, follow_symlinks=False)


def _prefix(chosen: Way) -> tuple[str, ...]:
    user, group = _nobody()
    match chosen:
        case Way.AS_IT_IS:
            return ()
        case Way.NAMESPACE:
            return ("unshare", "--user", f"--map-user={user}", f"--map-group={group}", "--")
        case Way.BECOME_NOBODY:
            kept = ("--inh-caps=+dac_override", "--ambient-caps=+dac_override", "--securebits=+no_setuid_fixup")  # the last: access() keeps the capability too
            return ("setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", *kept, "--")


def _nobody() -> tuple[int, int]:
    try:
        entry = pwd.getpwnam("nobody")  # initdb looks its user up, so the number alone would not do
    except KeyError:
        return _OVERFLOW_ID, _OVERFLOW_ID
    return entry.pw_uid, entry.pw_gid


def _succeeds(argv: tuple[str, ...]) -> bool:
    try:
        return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PROBE_SECONDS, check=False, env=handed_on()).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
