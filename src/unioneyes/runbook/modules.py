"""Python files as modules that register runbooks: loaded by their path, each version in a thread of its own, so that one that hangs keeps nobody waiting."""

from __future__ import annotations

import hashlib
import re
import sys
import time
import traceback
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from threading import Thread
from types import ModuleType

from unioneyes.kernel.problems import Problem
from unioneyes.kernel.units import format_duration
from unioneyes.runbook.definition import Definition, collect

LOADED_WITHIN = timedelta(seconds=10)
"""How long a file may take to load before whoever asked goes on without it."""
_NAME = re.compile(r"[a-z][a-z0-9_-]*(\.[a-z][a-z0-9_-]*)+")


class Loading:
    """One version of a file, from the moment on that it began to be loaded."""

    def __init__(self, path: Path, code: bytes) -> None:
        """Begin to load it."""
        self.code = code
        self._path = path
        self._came: Mapping[str, Definition] | str | None = None
        self._until = time.monotonic() + LOADED_WITHIN.total_seconds()
        self._thread = Thread(target=self._load, name=f"loading {path.name}", daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """It is loaded, or has taken as long as it may: nobody waits for that twice."""
        self._thread.join(max(0.0, self._until - time.monotonic()))

    def outcome(self) -> Mapping[str, Definition] | str | None:
        """Return what it registers, or why it can't be used; None while it may still take its time."""
        if self._came is None and time.monotonic() >= self._until:
            return f"it takes longer than {format_duration(LOADED_WITHIN)} to load"
        return self._came

    def _load(self) -> None:
        try:
            collected = collect(lambda: _execute(self._path, self.code))
        except Problem as problem:
            self._came = problem.what
        except BaseException as error:  # noqa: BLE001 - whatever the file raises, SystemExit included, ends with its thread
            self._came = f"{_line_of(error, self._path)}{type(error).__name__}: {error}"
        else:
            strange = sorted(name for name in collected if not _NAME.fullmatch(name))
            self._came = f"{strange[0]!r} is no name for a runbook; write it as chapter.option, in small letters" if strange else collected


def _execute(path: Path, code: bytes) -> None:
    """The file is a module, and was executed. Raises: whatever its code raises."""
    # The same name each time, and in each process: a problem that was kept of a run is found again by its class's name.
    name = f"unioneyes_own_{re.sub(r'[^a-z0-9]', '_', path.stem.lower())}_{hashlib.sha256(bytes(path)).hexdigest()[:8]}"
    module = ModuleType(name)
    module.__file__ = str(path)
    before = sys.modules.get(name)
    sys.modules[name] = module  # dataclasses and type hints look their module up
    try:
        exec(compile(code, str(path), "exec"), module.__dict__)  # noqa: S102 - it is what the folder is for; who may write there may change the program
    except BaseException:
        if sys.modules.get(name) is module:  # not where a newer version was begun meanwhile
            if before is None:
                del sys.modules[name]
            else:
                sys.modules[name] = before
        raise


def _line_of(error: BaseException, path: Path) -> str:
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f"line {error.lineno}: "
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return f"line {lines[-1]}: " if lines else ""
