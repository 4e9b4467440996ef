"""Keeps a bench's last results in `docs/measured/`, with date, commit, machine and command, so that anyone can run it again and compare."""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[1]


def record(name: str, *, title: str, command: str, text: str) -> Path:
    """`docs/measured/<name>.md` holds `text` and where it comes from; return where it stands."""
    page = ROOT / "docs" / "measured" / f"{name}.md"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(
        f"# {title}\n\n"
        f"- date: {datetime.now(UTC):%Y-%m-%d %H:%M} UTC\n"
        f"- commit: {_commit()}\n"
        f"- machine: {os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}\n"
        f"- command: `{command}`\n\n"
        f"```\n{text.rstrip()}\n```\n",
        encoding="utf-8",
    )
    return page


def _commit() -> str:
    found = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty", "--abbrev=12"], capture_output=True, text=True, timeout=10, check=False)
    return found.stdout.strip() or "unknown"


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
