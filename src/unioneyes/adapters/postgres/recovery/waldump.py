"""What `pg_waldump` tells of transactions: which one committed when, and which files went with it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from unioneyes.adapters.postgres.programs import clean_environment
from unioneyes.adapters.postgres.recovery.positions import format_lsn, parse_lsn
from unioneyes.kernel.cancelling import group_ended_with_run

_COMMIT = re.compile(
    r"tx:\s*(?P<tx>\d+), lsn: (?P<lsn>[0-9A-F]+/[0-9A-F]+), .*?desc: COMMIT(?:_PREPARED (?P<prepared>\d+):)? "
    r"(?P<at>\d{4,}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+) UTC(?P<rest>.*)"
)
_CREATE = re.compile(r"rmgr: Storage .*?tx:\s*(?P<tx>\d+), .*?desc: CREATE (?P<file>base/\d+/\d+)(?!\w)")
_FILES = re.compile(r"; rels:(?P<files>(?: base/\d+/\d+)+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """A transaction that committed."""

    xid: int
    lsn: int
    at: datetime
    """By the server's clock."""
    files: frozenset[str]
    """Files of the database that went with it: `base/16384/24601`, of tables that were dropped or written anew."""
    made: tuple[str, ...]
    """Files that it made, in order."""

    @property
    def instead(self) -> str | None:
        """The file that a table lives on in: where as many files stayed as went, as with TRUNCATE, VACUUM FULL, or a column's new type; else it was dropped.

        What was made and went within the transaction counts on neither side. The table's own file is made before those of its indexes.
        """
        stayed = [file for file in self.made if file not in self.files]
        return stayed[0] if stayed and len(stayed) == len(self.files.difference(self.made)) else None


def commits(program: Path, folder: Path, *, timeline: int, since: int, until: int) -> Iterator[Commit]:
    """Yield the commits of one timeline between two positions, in order; memory stays flat. It ends where the log does.

    `program` is the `pg_waldump` of the server's own version, `folder` holds every segment of that stretch.
    """
    argv = (str(program), "-p", str(folder), "-t", str(timeline), "-s", format_lsn(since), "-e", format_lsn(until), "-r", "Transaction", "-r", "Storage")
    making: dict[int, tuple[str, ...]] = {}
    dump = subprocess.Popen(
        argv, env=clean_environment({"TZ": "UTC"}), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    )
    with dump, group_ended_with_run(dump):
        for raw in dump.stdout or ():
            line = raw.decode(errors="replace")
            if (made := _CREATE.search(line)) is not None:
                making[int(made["tx"])] = (*making.get(int(made["tx"]), ()), made["file"])
            elif (commit := read_commit(line, making=making)) is not None:
                yield commit
        # Its exit code says nothing: it complains of the end of the log, which is where it should end.


def read_commit(line: str, *, making: dict[int, tuple[str, ...]]) -> Commit | None:
    """Return the commit that the line tells of, which takes what its transaction made out of `making`; None where it tells of something else."""
    found = _COMMIT.search(line)
    if found is None:
        return None
    xid = int(found["prepared"] or found["tx"])
    files = _FILES.search(found["rest"])
    return Commit(
        xid=xid,
        lsn=parse_lsn(found["lsn"]),
        at=datetime.strptime(found["at"], "%Y-%m-%d %H:%M:%S.%f").replace(tzinfo=UTC),
        files=frozenset(files["files"].split()) if files else frozenset(),
        made=making.pop(xid, ()),
    )
