"""Barman's own command, run with a time limit: what it prints as JSON, and what it complains of in words."""

from __future__ import annotations

import re
import shlex
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar

from pydantic import JsonValue, TypeAdapter, ValidationError

from unioneyes.adapters.postgres.programs import Finished, ProgramFailed, ended_program
from unioneyes.adapters.postgres.recovery.barman.documents import Check, Checks, Complaint, Detail, Listed, Server, without_secrets
from unioneyes.kernel.problems import Problem
from unioneyes.ports.recovery import CatalogueUnavailable

OLDEST = (3, 15)
"""The first that is told where to unpack what it restores (`--staging-path`)."""
_ASKED_WITHIN = timedelta(seconds=60)
_CHECKED_WITHIN = timedelta(minutes=2)
_VERSION = re.compile(r"(\d+)\.(\d+)(?:\.\d+)?")
_DOCUMENTS = TypeAdapter(dict[str, JsonValue])
_LISTED = TypeAdapter(tuple[Listed, ...])
_CHECKS: TypeAdapter[Mapping[str, Check]] = TypeAdapter(Mapping[str, Check])
_SAID_LINES = 3
_KNOWN_FOR = 30.0
"""Seconds for which it is believed how Barman keeps the server: each look takes several of its answers."""
_T = TypeVar("_T")


class BarmanRefused(Problem):
    """Barman did not do what it was asked to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Barman:
    """The command, and one of the servers that it keeps. Its secrets stand in files of its own."""

    server: str
    program: str = "barman"
    """Its path; or its name, which PATH finds."""
    config: str | None = None
    """Its configuration file; the one that it finds itself when not given."""
    _details: dict[str, Detail] = field(default_factory=dict, repr=False, compare=False)
    _version: list[str] = field(default_factory=list, repr=False, compare=False)
    _settings: dict[str, tuple[float, Server]] = field(default_factory=dict, repr=False, compare=False)

    def version(self) -> str:
        """Return its version. Raises: CatalogueUnavailable, where it is not installed, or older than what is relied on."""
        if not self._version:
            said = self._ended(("--version",), within=_ASKED_WITHIN).stdout
            found = _VERSION.match(said.strip())
            if found is None:
                raise CatalogueUnavailable(what=f"{self.program} does not say which Barman it is", remedy="name Barman's own program: [backup.barman] program")
            if (int(found[1]), int(found[2])) < OLDEST:
                oldest = ".".join(map(str, OLDEST))
                raise CatalogueUnavailable(what=f"Barman {found[0]} is too old", remedy=f"install Barman {oldest} or newer: pip install 'barman>={oldest}'")
            self._version.append(found[0])
        return self._version[0]

    def backups(self) -> tuple[Listed, ...]:
        """Return every base backup, in whatever state. Raises: CatalogueUnavailable."""
        return self._read("list-backups", _LISTED)

    def detail(self, backup: str) -> Detail:
        """Return what is known of one that is done, which does not change any more. Raises: CatalogueUnavailable."""
        if backup not in self._details:
            self._details[backup] = self._read("show-backup", TypeAdapter(Detail), backup)
        return self._details[backup]

    def settings(self) -> Server:
        """Return how it keeps the server. Answers without the server, too. Raises: CatalogueUnavailable."""
        until, known = self._settings.get(self.server, (0.0, None))
        if known is None or time.monotonic() > until:
            known = self._read("show-servers", TypeAdapter(Server))
            self._settings[self.server] = (time.monotonic() + _KNOWN_FOR, known)
        return known

    def checks(self) -> Checks:
        """Return what it finds of the server, item by item. Raises: CatalogueUnavailable."""
        return Checks(items=self._read("check", _CHECKS, within=_CHECKED_WITHIN))

    def do(self, verb: str, *words: str, within: timedelta) -> None:
        """It is done. Raises: BarmanRefused, with its words; CatalogueUnavailable, where it can't be run."""
        argv = (verb, *words)
        ended = self._ended(("--format", "json", *argv), within=within)
        if ended.code != 0:
            raise BarmanRefused(what=f"barman {verb} failed: {_said(ended)}", remedy=f"{self.spoken('check', self.server)} says what is wrong")

    def spoken(self, *words: str) -> str:
        """Return the command that a person would type."""
        return shlex.join((self.program, *self._configured(), *words))

    def _read(self, verb: str, shape: TypeAdapter[_T], *words: str, within: timedelta = _ASKED_WITHIN) -> _T:
        """Return what is printed of the server."""
        self.version()
        ended = self._ended(("--format", "json", verb, self.server, *words), within=within)
        try:
            document = _DOCUMENTS.validate_json(ended.stdout)
            if self.server in document:
                return shape.validate_python(document[self.server], strict=False)
        except ValidationError as error:
            if ended.code == 0 or ended.stdout.strip():
                wrong = error.errors(include_url=False, include_input=False, include_context=False)[0]
                place = ".".join(map(str, wrong["loc"])) or "it"
                raise CatalogueUnavailable(
                    what=f"barman {verb} prints what nobody understands: {place}: {wrong['msg']}", remedy=f"look at {self.spoken(verb, self.server, *words)}"
                ) from None
        raise CatalogueUnavailable(what=f"barman {verb} failed: {_said(ended)}", remedy=f"{self.spoken('list-servers')}; correct [backup.barman]")

    def _ended(self, words: tuple[str, ...], *, within: timedelta) -> Finished:
        try:
            return ended_program((self.program, *self._configured(), *words), within=within)
        except ProgramFailed as failed:
            here = shutil.which(self.program) is not None
            raise CatalogueUnavailable(what=failed.what, remedy=failed.remedy if here else "install Barman, or correct [backup.barman] program") from None

    def _configured(self) -> tuple[str, ...]:
        return ("--config", self.config) if self.config else ()


def _said(ended: Finished) -> str:
    """Return what Barman complained of, without secrets: as JSON, or in words."""
    try:
        complaint = Complaint.model_validate_json(ended.stdout)
    except ValidationError:
        complaint = Complaint()
    lines = (*complaint.errors, *complaint.exceptions) or tuple(line for line in (ended.stderr or ended.stdout).splitlines() if line.strip())[-_SAID_LINES:]
    return without_secrets(" / ".join(" ".join(line.split()) for line in lines)) or f"exit code {ended.code}"
