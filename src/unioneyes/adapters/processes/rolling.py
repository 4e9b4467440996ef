"""One version takes the place of another on the same colour, replica by replica: as many as are wanted are ready, and get requests, all the time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from unioneyes.adapters.processes.client import Supervisor
from unioneyes.adapters.processes.layout import COLOUR, ReplicaSlot
from unioneyes.adapters.processes.spec import ProcessSpec, ProcessStatus
from unioneyes.ports.traffic import Colour


@dataclass(frozen=True, slots=True, kw_only=True)
class Roll:
    """From what stands to what should stand. It looks before each replacement, so it goes on wherever another one was left, in whichever direction."""

    supervisor: Supervisor
    command: Callable[[ReplicaSlot], ProcessSpec]
    endpoints: Callable[[Colour, tuple[Path, ...]], None]
    """Sends a colour's requests to these sockets, and returns when the data plane holds each of them for healthy."""
    colour: Colour
    wanted: tuple[ReplicaSlot, ...]
    """The places that should be taken in the end."""
    spare: ReplicaSlot
    """The one behind them, whose replica carries requests for the one that is being replaced."""
    within: timedelta
    """How long each replica has to get ready."""
    ordered: datetime | None = None
    """A replica that was started before is replaced too, whatever it runs; None where only that counts."""
    told: Callable[[str], None] = lambda _line: None
    """Told of each replacement before it is begun."""

    @property
    def in_order(self) -> tuple[ReplicaSlot, ...]:
        """The places, in the order in which they are taken."""
        return (self.spare, *self.wanted)

    def carry_out(self) -> None:
        """Each of the wanted places is taken by a ready replica that gets requests, and no other.

        Raises: ProcessNotReady, NoHealthyReplica; the rest serves on.
        """
        stands = self._present()
        wrong = [slot for slot in self.wanted if slot.name != self.spare.name and not any(self._stands(slot, status) for status in stands)]
        if wrong or self.spare in self.wanted:
            self._replace(self.spare)
        for slot in sorted(wrong, key=lambda slot: _ready(slot.name, stands)):  # one that answers nobody is no loss
            self.told(f"{slot.name} is replaced")
            self._replace(slot)
        for slot in self.wanted:  # changes nothing by now; but whoever was at this before is late from here on
            self.supervisor.start(self._spec(slot))
        names = {slot.name for slot in self.wanted}
        surplus = {status.name for status in self._present()} - names
        if surplus and any(status.ready for status in self._present() if status.name in names):  # what is not wanted is out before anybody waits
            self._publish(status for status in self._present() if status.name in names)
        self.supervisor.await_ready(names, within=self.within)
        self.endpoints(self.colour, tuple(slot.socket for slot in self.wanted))
        if surplus:
            self.supervisor.stop(*sorted(surplus))

    def _replace(self, slot: ReplicaSlot) -> None:
        """The place is taken by a ready replica that gets requests; whoever had it got none any more before it was told to end."""
        stands = self._present()
        if any(status.name == slot.name and not self._stands(slot, status) for status in stands):
            self._publish(status for status in stands if status.name != slot.name)
            self.supervisor.stop(slot.name)
        self.supervisor.start(self._spec(slot), self.within)
        self._publish(self._present())

    def _stands(self, slot: ReplicaSlot, status: ProcessStatus) -> bool:
        """Whether the process is what the place should be taken by."""
        return slot.is_taken_by(status) and (self.ordered is None or status.since >= self.ordered)

    def _publish(self, statuses: Iterable[ProcessStatus]) -> None:
        """Those of the replicas that are ready get the requests."""
        ready = [status.name for status in statuses if status.ready]
        self.endpoints(self.colour, tuple(self.spare.socket.with_name(f"{name}.sock") for name in ready))

    def _present(self) -> Sequence[ProcessStatus]:
        return sorted((status for status in self.supervisor.status() if status.labels.get(COLOUR) == self.colour), key=lambda status: status.name)

    def _spec(self, slot: ReplicaSlot) -> ProcessSpec:
        return replace(self.command(slot), labels=slot.labels)


def _ready(name: str, statuses: Iterable[ProcessStatus]) -> bool:
    return any(status.name == name and status.ready for status in statuses)
