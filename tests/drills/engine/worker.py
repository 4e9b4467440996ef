"""A worker process of the drills: carries runs out until it is told to end, or killed."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from threading import Event

from pydantic import SecretStr

from tests.drills.engine import runbooks
from unioneyes.kernel.redaction import Redactor
from unioneyes.runbook.direct.folder import DirectFolder
from unioneyes.runbook.engine import Engine
from unioneyes.runbook.own import OwnRunbooks

ended = Event()
signal.signal(signal.SIGTERM, lambda _signal, _frame: ended.set())
own = OwnRunbooks(Path(os.environ["DRILL_RUNBOOKS"]))
own.refresh()
engine = Engine(
    database_url=SecretStr(os.environ["DRILL_CONTROL_URL"]),
    environment=runbooks.environment(),
    redactor=Redactor(),
    break_glass=DirectFolder(Path(os.environ["DRILL_BREAK_GLASS"])),
    look_again=own.refresh,
    require=runbooks.require,
)
engine.launch()
sys.stdout.write("launched\n")
sys.stdout.flush()
ended.wait()
engine.close()
