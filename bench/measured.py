"""What every bench does alike: lay out its table, hold its figures against what was promised, and keep the last results in `docs/measured/`.

Results are kept with date, commit, machine and command, so that anyone can run them again and compare.
"""

from __future__ import annotations

import argparse
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).parents[1]


def _commit() -> str:
    def git(*words: str) -> str:
        return subprocess.run(["git", "-C", ROOT, *words], capture_output=True, text=True, timeout=10, check=False).stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!docs/measured")  # earlier results change no code
    return f"{git('describe', '--always', '--abbrev=12') or 'unknown'}{'-dirty' if changed else ''}"


COMMIT = _commit()
"""What was measured: the code as it stood when the bench began, and not as it stands when a long one ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """One thing that was promised, and what was measured of it."""

    what: str
    measured: str
    promise: str
    kept: bool
    """False also when nothing could be measured: silence keeps no promise."""


def conclude(name: str, *, title: str, text: str, promises: Sequence[Promise]) -> int:
    """The result stands on the terminal and in `docs/measured/<name>.md`; return the exit code: 0 when every promise was kept."""
    rows = [("yes" if promise.kept else "NO", promise.what, promise.measured, promise.promise) for promise in promises]
    whole = f"{text.rstrip()}\n\n{table(('kept', 'what', 'measured', 'promise'), rows, left=4)}"
    print(f"\n{whole}")
    print(f"\nrecorded: {record(name, title=title, command=own_command(), text=whole)}")
    return 0 if promises and all(promise.kept for promise in promises) else 1


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1) -> str:
    """Return the rows under their columns' names: the first `left` columns aligned to the left, figures to the right."""
    lines = [columns, *rows]
    widths = [max(len(line[at]) for line in lines) for at in range(len(columns))]
    return "\n".join(
        "  ".join(cell.ljust(width) if at < left else cell.rjust(width) for at, (cell, width) in enumerate(zip(line, widths, strict=True))).rstrip()
        for line in lines
    )


def ratio(ours: float, theirs: float) -> str:
    """Return how many times theirs ours is: `0.25x`; `-` where theirs is nothing."""
    return f"{ours / theirs:.2f}x" if theirs else "-"


def milliseconds(duration: timedelta) -> str:
    """Return a duration to the tenth of a millisecond."""
    return f"{duration / timedelta(milliseconds=1):,.1f} ms"


def seconds(duration: timedelta) -> str:
    """Return a duration to the tenth of a second."""
    return f"{duration.total_seconds():.1f} s"


def own_command() -> str:
    """Return the command line that this bench was called by, from the project's folder."""
    program = Path(sys.argv[0]).resolve()
    return shlex.join(("python", str(program.relative_to(ROOT) if program.is_relative_to(ROOT) else program), *sys.argv[1:]))


def record(name: str, *, title: str, command: str, text: str) -> Path:
    """`docs/measured/<name>.md` holds `text` and where it comes from; return where it stands."""
    page = ROOT / "docs" / "measured" / f"{name}.md"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(
        f"# {title}\n\n"
        f"- date: {datetime.now(UTC):%Y-%m-%d %H:%M} UTC\n"
        f"- commit: {COMMIT}\n"
        f"- machine: {os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}\n"
        f"- command: `{command}`\n\n"
        f"```\n{text.rstrip()}\n```\n",
        encoding="utf-8",
    )
    return page


def main() -> None:
    """Record what another program printed: `... | python bench/measured.py NAME --title TITLE --command COMMAND`."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("name")
    parser.add_argument("--title", required=True)
    parser.add_argument("--command", required=True)
    arguments = parser.parse_args()
    print(f"\nrecorded: {record(arguments.name, title=arguments.title, command=arguments.command, text=sys.stdin.read())}")


if __name__ == "__main__":
    main()
