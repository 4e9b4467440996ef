"""The project's own runbooks: the Python files and Markdown documents of one folder.

A Python file is a plain module that registers runbooks as the built-in ones are. It is loaded by its path, again when it changed; one that is broken is
named with its line and registers nothing, and nothing else suffers.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import stat
import sys
import time
import traceback
from dataclasses import dataclass, fields
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from threading import Lock, Thread

from unioneyes.kernel.problems import BadInput, NotFound, Problem
from unioneyes.kernel.units import format_duration
from unioneyes.runbook.definition import Definition, definition, definitions, register_by
from unioneyes.runbook.documents.lint.checks import lint
from unioneyes.runbook.documents.lint.finding import Severity
from unioneyes.runbook.documents.markdown import read_document
from unioneyes.runbook.documents.parameters import parameters_of

LOADED_WITHIN = timedelta(seconds=10)
"""How long the folder's files may take to load before whoever asked goes on without them."""
_NAME = re.compile(r"[a-z][a-z0-9_-]*(\.[a-z][a-z0-9_-]*)+")


class Form(StrEnum):
    """What a runbook is written as."""

    BUILT_IN = "built-in"
    PYTHON = "python"
    DOCUMENT = "document"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunbookView:
    """One runbook that can be run, or a file that can't."""

    name: str
    """What `ue runbook run` takes."""
    form: Form
    title: str
    """Its chapter, or the document's first heading."""
    file: str | None
    """Where an own one stands."""
    asks: tuple[str, ...]
    """What it asks for, by name."""
    note: str
    """What a person should know: how many findings, how many steps."""
    broken: str | None = None
    """Why the file can't be used, with the line; None when it can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Loaded:
    """A Python file, as it was last read."""

    sha256: str
    names: frozenset[str]
    broken: OwnRunbookBroken | None


class OwnRunbooks:
    """One folder, looked at whenever it is asked for."""

    def __init__(self, folder: Path) -> None:
        """Load nothing yet; the folder need not be there. What is registered already is built in."""
        self._folder = folder
        self._built_in = frozenset(each.name for each in definitions())
        self._loaded: dict[Path, _Loaded] = {}
        self._guard = Lock()
        self._loading: Thread | None = None
        self._until = 0.0

    def refresh(self) -> None:
        """Every Python file of the folder is loaded as it stands now; those that are broken are remembered as such.

        A file that takes too long is left to itself, and named as broken until it has ended; nobody waits for it twice.
        """
        with self._guard:
            if self._loading is None or not self._loading.is_alive():
                self._until = time.monotonic() + LOADED_WITHIN.total_seconds()
                self._loading = Thread(target=self._load_all, name="own-runbooks", daemon=True)
                self._loading.start()
            loading = self._loading
        loading.join(max(0.0, self._until - time.monotonic()))

    def require(self, name: str) -> None:
        """Return when the runbook called `name` is built in, or its file is sound. Raises: OwnRunbookBroken, with the line."""
        if name in self._built_in:
            return  # a rollback waits for nobody's file
        self.refresh()
        broken = [loaded.broken for loaded in self._files_loaded().values() if name in loaded.names and loaded.broken is not None]
        if broken:
            raise broken[0]

    def all(self) -> tuple[RunbookView, ...]:
        """Return the own runbooks, then the built-in ones."""
        self.refresh()
        files = self._files_loaded()
        own = {name: path for path, loaded in files.items() for name in loaded.names if loaded.broken is None}
        named = frozenset[str]().union(*(loaded.names for loaded in files.values()))
        broken = [_broken_view(path, loaded.broken) for path, loaded in sorted(files.items()) if loaded.broken is not None and path.exists()]
        return (
            *(_document_view(path) for path in self._files(".md")),
            *(_view(definition(name), Form.PYTHON, path) for name, path in sorted(own.items())),
            *broken,
            *(_view(each, Form.BUILT_IN, None) for each in definitions() if each.name not in named),
        )

    def _load_all(self) -> None:
        files = [path for path in self._files(".py") if not path.name.startswith("_")]
        for path in files:
            self._load(path)
        for gone in self._files_loaded().keys() - set(files):
            broken = OwnRunbookBroken(what=f"{gone} is gone", remedy="put it back, or forget it")
            self._note(gone, _Loaded(sha256="", names=self._loaded[gone].names, broken=broken))

    def _files(self, suffix: str) -> list[Path]:
        try:
            return sorted(path for path in self._folder.glob(f"*{suffix}") if path.is_file())
        except OSError:
            return []  # a folder that can't be read has none, and keeps nobody else's runbook from running

    def _files_loaded(self) -> dict[Path, _Loaded]:
        with self._guard:
            return dict(self._loaded)

    def _note(self, path: Path, loaded: _Loaded) -> None:
        with self._guard:
            self._loaded[path] = loaded

    def _load(self, path: Path) -> None:
        before = self._loaded.get(path)
        names = before.names if before else frozenset[str]()
        try:
            _require_trusted(path)
            code = path.read_bytes()
            sha256 = hashlib.sha256(code).hexdigest()
            if before is not None and before.sha256 == sha256:
                return
        except OSError as error:
            self._note(path, _Loaded(sha256="", names=names, broken=_broken(path, f"it can't be read: {error.strerror}")))
            return
        except OwnRunbookBroken as problem:
            self._note(path, _Loaded(sha256="", names=names, broken=problem))
            return
        self._note(path, _Loaded(sha256="", names=names, broken=_broken(path, f"it takes longer than {format_duration(LOADED_WITHIN)} to load")))
        try:
            registered = register_by(lambda: _execute(path, code), again=names)
        except (OwnRunbookBroken, Problem) as problem:
            broken = problem if isinstance(problem, OwnRunbookBroken) else _broken(path, problem.what)
            self._note(path, _Loaded(sha256=sha256, names=names, broken=broken))
        else:
            self._note(path, _Loaded(sha256=sha256, names=registered, broken=None))


def _execute(path: Path, code: bytes) -> None:
    """The module is loaded, and its runbooks registered. Raises: OwnRunbookBroken."""
    known = frozenset(each.name for each in definitions())
    name = f"unioneyes_own_{re.sub(r'[^a-z0-9]', '_', path.stem.lower())}_{hashlib.sha256(bytes(path)).hexdigest()[:8]}"
    specification = importlib.util.spec_from_loader(name, loader=None, origin=str(path))
    assert specification is not None  # noqa: S101 - a name alone always makes one
    module = importlib.util.module_from_spec(specification)
    module.__file__ = str(path)
    before = sys.modules.get(name)
    sys.modules[name] = module  # dataclasses and type hints look their module up
    try:
        exec(compile(code, str(path), "exec"), module.__dict__)  # noqa: S102 - it is what the folder is for; who may write there may change the program
        _refuse_strange_names(path, known)
    except (Exception, SystemExit) as error:
        if before is None:
            del sys.modules[name]
        else:
            sys.modules[name] = before
        if isinstance(error, Problem):
            raise
        raise _broken(path, f"{_line_of(error, path)}{type(error).__name__}: {error}") from None


def _refuse_strange_names(path: Path, known: frozenset[str]) -> None:
    strange = sorted(each.name for each in definitions() if each.name not in known and not _NAME.fullmatch(each.name))
    if strange:
        raise _broken(path, f"{strange[0]!r} is no name for a runbook; write it as chapter.option, in small letters")


def _line_of(error: BaseException, path: Path) -> str:
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f"line {error.lineno}: "
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return f"line {lines[-1]}: " if lines else ""


def _require_trusted(path: Path) -> None:
    """Return when nobody but us and root may write the file. Raises: OwnRunbookBroken."""
    found = path.stat()
    if found.st_mode & stat.S_IWOTH or found.st_uid not in {0, os.getuid()}:
        raise _broken(path, "others can write it, and the server would run what they write")


def _broken(path: Path, why: str) -> OwnRunbookBroken:
    return OwnRunbookBroken(what=f"{path}: {why}", remedy="correct the file; it is read again the next time")


def _view(known: Definition, form: Form, path: Path | None) -> RunbookView:
    asks = tuple(field.name for field in fields(known.request_type))
    return RunbookView(name=known.name, form=form, title=known.chapter, file=None if path is None else str(path), asks=asks, note="")


def _broken_view(path: Path, broken: OwnRunbookBroken) -> RunbookView:
    return RunbookView(name=path.name, form=Form.PYTHON, title="", file=str(path), asks=(), note="", broken=broken.what)


def _document_view(path: Path) -> RunbookView:
    try:
        document = read_document(path.read_bytes(), path.name)
    except (BadInput, OSError) as error:
        return RunbookView(name=path.name, form=Form.DOCUMENT, title="", file=str(path), asks=(), note="", broken=str(error))
    errors = sum(finding.severity is Severity.ERROR and finding.accepted is None for finding in lint(document))
    asks = tuple(parameter.name for parameter in parameters_of(document.steps))
    steps = f"{len(document.steps)} {'step' if len(document.steps) == 1 else 'steps'}"
    return RunbookView(
        name=path.name, form=Form.DOCUMENT, title=document.title, file=str(path), asks=asks, note=f"{steps}, {errors} errors" if errors else steps
    )


class OwnRunbookBroken(NotFound):
    """A file of the project's own runbooks can't be used."""
