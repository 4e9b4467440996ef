"""What is kept of the replicas: what each colour should run, and what served members so far."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, TypeAdapter

from unioneyes.adapters.processes.client import SupervisorUnavailable
from unioneyes.adapters.processes.layout import Wanted
from unioneyes.kernel.clock import now
from unioneyes.kernel.fencing import Fence, StillInside
from unioneyes.kernel.files import replace_file
from unioneyes.ports.replicas import Revision
from unioneyes.ports.traffic import Colour

_KEPT_REVISIONS = 20


class _Served(BaseModel):
    """A revision, as it is kept."""

    number: int
    version: str
    count: int
    configuration: dict[str, str]
    since: datetime
    until: datetime | None = None
    bad: bool = False


_History = TypeAdapter(list[_Served])
_State = TypeAdapter(dict[Colour, Wanted])
WantedT = TypeVar("WantedT", bound=Wanted | None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Two files, written by one process at a time, and by no late one."""

    state_file: Path
    revisions_file: Path

    def wanted(self) -> dict[Colour, Wanted]:
        """Return what each colour should run."""
        try:
            return _State.validate_json(self.state_file.read_bytes())
        except FileNotFoundError:
            return {}

    def want(self, colour: Colour, decide: Callable[[Wanted | None], WantedT]) -> WantedT:
        """`colour` should run what `decide` makes of what it should run by now; return that. Raises: FencedOff, SupervisorUnavailable."""
        with self._only_writer():
            before = self.wanted()
            wanted = decide(before.get(colour))
            if before.get(colour) != wanted:  # who only mends must not write back what another is just changing
                state: dict[Colour, Wanted | None] = {**before, colour: wanted}
                document = {each.value: entry.model_dump(mode="json") for each, entry in state.items() if entry is not None}
                replace_file(self.state_file, json.dumps(document, indent=1))
            return wanted

    def revisions(self) -> tuple[Revision, ...]:
        """Return what served members so far, newest first."""
        return tuple(
            Revision(
                number=kept.number,
                version=kept.version,
                replicas=kept.count,
                configuration=kept.configuration,
                since=kept.since,
                until=kept.until,
                bad=kept.bad,
            )
            for kept in reversed(self._history())
        )

    def record(self, wanted: Wanted, *, bad_before: bool, otherwise: Mapping[str, str]) -> None:
        """The newest revision is what `wanted` says; `otherwise` is its configuration where none was kept. Safe to repeat."""
        with self._only_writer():
            history = self._history()
            last = history[-1] if history else None
            configuration = dict(otherwise) if wanted.configuration is None else wanted.configuration
            if last is not None and (last.version, last.count, last.configuration) == (wanted.version, wanted.count, configuration):
                return
            at = now()
            if last is not None:
                history[-1] = last.model_copy(update={"until": at, "bad": last.bad or bad_before})
            number = last.number + 1 if last else 1
            history.append(_Served(number=number, version=wanted.version, count=wanted.count, configuration=configuration, since=at))
            replace_file(self.revisions_file, _History.dump_json(history[-_KEPT_REVISIONS:], indent=1).decode())

    def _history(self) -> list[_Served]:
        """Return the revisions, oldest first."""
        try:
            return _History.validate_json(self.revisions_file.read_bytes())
        except FileNotFoundError:
            return []

    @contextlib.contextmanager
    def _only_writer(self) -> Iterator[None]:
        try:
            with Fence(self.state_file.with_suffix(".lock")).entered():
                yield
        except StillInside:
            raise SupervisorUnavailable(what=f"another process has been changing {self.state_file} for too long", remedy="end it, then try again") from None
