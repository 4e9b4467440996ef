"""The project's own runbooks: the Python files and Markdown documents of one folder.

A Python file is a plain module that registers runbooks as the built-in ones are. It is loaded by its path, again when it changed; one that is broken is
named with its line and registers nothing, and nothing else suffers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from threading import Lock

from unioneyes.kernel.problems import BadInput, NotFound
from unioneyes.runbook.definition import Definition, definitions, replace
from unioneyes.runbook.documents.lint.checks import lint
from unioneyes.runbook.documents.lint.finding import Severity
from unioneyes.runbook.documents.markdown import read_document
from unioneyes.runbook.documents.parameters import parameters_of
from unioneyes.runbook.freshness import LastDrill
from unioneyes.runbook.modules import Loading
from unioneyes.runbook.trusted import Unfit, read_trusted


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
    drilled: LastDrill | None = None
    """The last drill that it passed; None where there was none, and for an own one."""


@dataclass(slots=True, kw_only=True)
class _File:
    """A Python file, as it stands now."""

    latest: Loading | Unfit
    usable: Mapping[str, Definition] = field(default_factory=dict)
    """What it registered when it was last sound."""
    broken: str | None = None
    """Why it can't be used now."""

    @property
    def sound(self) -> Mapping[str, Definition] | str:
        """What it registers, or why it can't be used; as before while it is being loaded."""
        outcome = self.latest.why if isinstance(self.latest, Unfit) else self.latest.outcome()
        if outcome is not None:
            return outcome
        return self.usable if self.broken is None else self.broken


class OwnRunbooks:
    """One folder, looked at whenever it is asked for."""

    def __init__(self, folder: Path) -> None:
        """Load nothing yet; the folder need not be there. What is registered already is built in."""
        self._folder = folder
        self._built_in = frozenset(each.name for each in definitions())
        self._files: dict[Path, _File] = {}
        self._holders: dict[str, Path] = {}
        """The file that each own runbook comes from."""
        self._guard = Lock()

    def refresh(self) -> None:
        """The runbooks of the folder's Python files are those that stand there now; files that are broken are remembered as such.

        A file that takes too long is left to itself, and named as broken until it has ended or was changed; nobody waits for it twice.
        """
        with self._guard:
            found = {path: content for path, content in read_trusted(self._folder, ".py").items() if not path.name.startswith("_")}
            self._files = {path: self._read(path, content) for path, content in found.items()}
            loading = [file.latest for file in self._files.values() if isinstance(file.latest, Loading)]
        for each in loading:
            each.wait()
        with self._guard:
            self._register()

    def require(self, name: str) -> None:
        """Return when the runbook called `name` is built in, or its file is sound. Raises: OwnRunbookBroken, with the line."""
        if name in self._built_in:
            return  # a rollback waits for nobody's file
        self.refresh()
        with self._guard:
            path = self._holders.get(name)
            broken = None if path is None else self._files[path].broken
        if broken is not None:
            raise OwnRunbookBroken(what=f"{path}: {broken}", remedy="correct the file; it is read again the next time")

    def all(self) -> tuple[RunbookView, ...]:
        """Return the own runbooks, then the built-in ones."""
        self.refresh()
        with self._guard:
            known = definitions()
            holders = dict(self._holders)
            broken = {path: file.broken for path, file in self._files.items() if file.broken is not None}
        return (
            *(_document_view(path) for path in self._documents()),
            *(_view(each, Form.PYTHON, holders[each.name]) for each in known if each.name in holders and holders[each.name] not in broken),
            *(_broken_view(path, why) for path, why in sorted(broken.items())),
            *(_view(each, Form.BUILT_IN, None) for each in known if each.name not in holders),
        )

    def _read(self, path: Path, content: bytes | Unfit) -> _File:
        """Return the file as it is now: being loaded, when it changed."""
        file = self._files.get(path)
        if file is not None and isinstance(file.latest, Loading) and file.latest.code == content:
            return file
        latest = content if isinstance(content, Unfit) else Loading(path, content)
        return _File(latest=latest) if file is None else _File(latest=latest, usable=file.usable, broken=file.broken)

    def _register(self) -> None:
        """What the sound files register is registered, and what files registered that are gone, or say something else now, is no more."""
        registered = {each.name for each in definitions()} - self._holders.keys()
        own: dict[str, Definition] = {}
        holders: dict[str, Path] = {}
        for path, file in sorted(self._files.items(), key=lambda each: (not self._holds_all(*each), each[0])):
            sound = file.sound
            if isinstance(sound, str):
                file.broken = sound
            elif taken := sorted(name for name in sound if name in registered or name in own):
                file.broken = f"there is a runbook called {', '.join(taken)} already; give it another name"
            else:
                file.broken = None
                file.usable = sound
                own.update(sound)
                holders.update(dict.fromkeys(sound, path))
        for path, file in self._files.items():
            if file.broken is not None:  # what it was goes on for the runs that wait for a person; `require` keeps new ones out
                left = {name: made for name, made in file.usable.items() if name not in own and name not in registered}
                own.update(left)
                holders.update(dict.fromkeys(left, path))
        replace(own, before=self._holders.keys())
        self._holders = holders

    def _holds_all(self, path: Path, file: _File) -> bool:
        """Return True when every name that the file wants is its own already: it goes before those that want new ones."""
        sound = file.sound
        return not isinstance(sound, str) and all(self._holders.get(name) == path for name in sound)

    def _documents(self) -> list[Path]:
        try:
            return sorted(path for path in self._folder.glob("*.md") if path.is_file())
        except OSError:
            return []  # a folder that can't be read has none, and keeps nobody else's runbook from running


def _view(known: Definition, form: Form, path: Path | None) -> RunbookView:
    asks = tuple(field.name for field in fields(known.request_type))
    return RunbookView(name=known.name, form=form, title=known.chapter, file=None if path is None else str(path), asks=asks, note="")


def _broken_view(path: Path, why: str) -> RunbookView:
    return RunbookView(name=path.name, form=Form.PYTHON, title="", file=str(path), asks=(), note="", broken=f"{path}: {why}")


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
