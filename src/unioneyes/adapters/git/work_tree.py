"""The source's work tree, as git describes it."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from unioneyes.kernel.problems import Unavailable
from unioneyes.kernel.variables import handed_on

TIME_LIMIT = timedelta(seconds=5)
"""For each call of git."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkTree:
    """What git says of a folder."""

    version: str
    """`git describe --tags --always`: `v1.1.0-3-g1a2b3c4`, or the commit alone where there is no tag."""
    commit: str
    """In full."""
    changed: int
    """Tracked files that differ from the commit. Files that git does not know are no part of a release, and the incident reports are such files."""


def read_work_tree(folder: Path) -> WorkTree | None:
    """Return what git says of `folder`; None where there is no git, no repository or no commit.

    Raises: GitUnavailable when git is there and does not answer.
    """
    described = _git(folder, "describe", "--tags", "--always")
    if described is None:
        return None
    commit = _git(folder, "rev-parse", "HEAD") or ""
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no") or ""
    return WorkTree(version=described.strip(), commit=commit.strip(), changed=len(changes.splitlines()))


_NOTHING_THERE = ("not a git repository", "not a valid object name head", "cannot change to")
"""What git says of a folder that it does not keep, of a repository without a commit, and of no folder at all."""


def _git(folder: Path, *arguments: str) -> str | None:
    """Return what git prints; None where there is nothing that it could look at."""
    # A reading never writes: without optional locks a concurrent commit is not disturbed.
    environment = {**handed_on(), "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}
    try:
        done = subprocess.run(
            ("git", "-C", str(folder), *arguments),
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIME_LIMIT.total_seconds(),
            check=False,
        )
    except FileNotFoundError:
        return None
    except subprocess.TimeoutExpired as error:
        raise GitUnavailable(what=f"git gave no answer within {TIME_LIMIT.total_seconds():.0f} s", remedy=f"try: git -C {folder} status") from error
    if done.returncode == 0:
        return done.stdout
    complaint = done.stderr.strip()
    if any(sign in complaint.lower() for sign in _NOTHING_THERE):
        return None
    first_line = complaint.partition("\n")[0] or f"exit code {done.returncode}"
    raise GitUnavailable(what=f"git can't read the work tree: {first_line}", remedy=f"try: git -C {folder} status")


class GitUnavailable(Unavailable):
    """Git is there, and does not answer."""
