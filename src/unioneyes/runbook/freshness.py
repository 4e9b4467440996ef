"""Whether a runbook is still what was drilled: its code, by hash, and the last drills that it passed.

The hash is over the source of everything of this program that the runbook reaches by its imports, of the runbooks that it runs as a part of itself, and of
the engine. Adapters are not in it: which ones stand behind the ports is the environment's, and their promise is kept by their port's own tests.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from unioneyes.kernel.problems import BadInput, Refused
from unioneyes.runbook.definition import Definition, definition, definitions

PACKAGE = Path(__file__).parents[1]
ENGINE = "unioneyes.runbook.engine"
_IMPORT = re.compile(rb"^[ \t]*(?:from[ \t]+(unioneyes[\w.]*)[ \t]+import[ \t]+(\([^)]*\)|[^\n#]*)|import[ \t]+(unioneyes[\w.]*))", re.MULTILINE)
_CHILD = re.compile(rb'\brun_child\(\s*"([\w.]+)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Drilled:
    """The last time that a runbook passed its drills. That the same code passes the same drills once more changes nothing."""

    on: date
    """In UTC."""
    commit: str
    code: str
    """SHA-256 of the runbook's code, as it was then."""
    drills: tuple[str, ...]
    """Those that carried it out and passed: `rollback/test_release::test_...`, under `tests/drills`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LastDrill:
    """What is known of a runbook's last passing drill."""

    on: date
    commit: str
    drills: tuple[str, ...]
    unchanged: bool
    """True while the runbook's code is what was drilled then."""


class Drills:
    """Knows of each runbook that comes with the program whether it is what was drilled."""

    def __init__(self, read: Callable[[], Mapping[str, Drilled]]) -> None:
        """The code that runs is the code as it stands now, whatever becomes of its files later; `read` tells what was drilled."""
        self._read = read
        self._codes = codes()

    def last(self, name: str) -> LastDrill | None:
        """Return the last passing drill; None when there was none, or the runbook does not come with the program. Raises: DrillsUnreadable."""
        code = self._codes.get(name)
        drilled = None if code is None else self._read().get(name)
        if drilled is None:
            return None
        return LastDrill(on=drilled.on, commit=drilled.commit, drills=drilled.drills, unchanged=drilled.code == code)

    def require(self, known: Definition) -> None:
        """Return when the runbook is what was drilled, holds up nobody, takes members back, or is somebody's own. Raises: Undrilled, DrillsUnreadable."""
        if not known.can_be_held or known.name not in self._codes:
            return
        last = self.last(known.name)
        if last is None or not last.unchanged:
            since = "was never drilled" if last is None else f"changed since its last passing drill, of {last.on}"
            raise Undrilled(
                what=f"{known.name} {since}, and this environment refuses that; nothing was changed",
                remedy="drill it where it is developed (make drills record-drills), and install the release with that docs/measured/drills.json; "
                "or say refuse_undrilled = false under [runbooks] in environment.toml",
            )


def codes() -> dict[str, str]:
    """Return the SHA-256 of the code of each runbook that comes with the program, by the runbook's name."""
    read: dict[str, _Module] = {}
    return {known.name: _code_of(known, read) for known in definitions() if known.built_in}


def read_drills(path: Path) -> dict[str, Drilled]:
    """Return what was drilled, by the runbook's name; nothing when there is no file. Raises: DrillsUnreadable."""
    try:
        return _DRILLS.validate_json(path.read_bytes(), strict=True)
    except FileNotFoundError:
        return {}
    except (OSError, ValidationError) as error:
        raise DrillsUnreadable(what=f"{path} does not tell what was drilled: {error}", remedy="restore it from the repository") from None


def written(drills: Mapping[str, Drilled]) -> str:
    """Return the file's text."""
    return f"{_DRILLS.dump_json(dict(sorted(drills.items())), indent=2).decode()}\n"


_DRILLS = TypeAdapter(dict[str, Drilled])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Module:
    """One module of the program."""

    source: bytes
    reaches: frozenset[str]
    """What it imports, as far as it is the program's, the package in which it stands, and where the runbooks stand that it runs."""


def _code_of(known: Definition, read: dict[str, _Module]) -> str:
    """Return the hash; modules are read once, and kept in `read`."""
    waiting, reached = {known.module, ENGINE}, set[str]()
    while waiting:
        name = waiting.pop()
        if name not in read and (path := _file(name)) is not None:
            read[name] = _module(name, path.read_bytes())
        if name in read:
            reached.add(name)
            waiting |= read[name].reaches - reached
    hashed = hashlib.sha256()
    for name in sorted(reached):
        hashed.update(f"{name} {len(read[name].source)}\n".encode())
        hashed.update(read[name].source)
    return hashed.hexdigest()


def _module(name: str, source: bytes) -> _Module:
    children = (definition(child.decode()).module for child in _CHILD.findall(source))
    return _Module(source=source, reaches=frozenset((*_imported(source), *children, name.rpartition(".")[0])))


def _imported(source: bytes) -> Iterator[str]:
    """Yield what a module may import; what is no module has no file."""
    for package, names, module in _IMPORT.findall(source):
        yield (package or module).decode()
        yield from (f"{package.decode()}.{name}" for name in re.findall(r"\w+", names.decode()))


def _file(module: str) -> Path | None:
    """Return where a module of the program stands; None where there is none of this name."""
    program, _, within = module.partition(".")
    if program != PACKAGE.name:
        return None
    path = PACKAGE.joinpath(*within.split(".")) if within else PACKAGE
    return next((each for each in (path.with_suffix(".py"), path / "__init__.py") if each.is_file()), None)


class Undrilled(Refused):
    """The runbook is not what was drilled, and the environment refuses that."""


class DrillsUnreadable(BadInput):
    """The record of what was drilled can't be read."""
