"""The server of `ue`, by a wall clock that somebody sets: `python clocked.py FILE ENVIRONMENT HOME`; the file says how many seconds it is ahead."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from threading import Event, Thread

import time_machine

from unioneyes.console.serve import main

LOOK_EVERY = 0.05


def ahead(file: Path) -> float:
    return float(file.read_text())


def follow(clock: time_machine.Traveller, file: Path) -> None:
    """The clock is set whenever the file says something else than before."""
    shown = ahead(file)
    while not Event().wait(LOOK_EVERY):
        if ahead(file) != shown:
            shown = ahead(file)
            clock.move_to(time_machine.escape_hatch.time.time() + shown)


if __name__ == "__main__":
    file = Path(sys.argv[1])
    with time_machine.travel(time.time() + ahead(file), tick=True) as clock:
        Thread(target=follow, args=(clock, file), daemon=True).start()
        sys.exit(main(sys.argv[2:]))
