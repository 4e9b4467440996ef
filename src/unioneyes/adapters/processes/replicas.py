"""The service's replicas as supervised processes, each on a Unix socket of its own."""

from __future__ import annotations

import contextlib
import shlex
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from http.client import HTTPException
from pathlib import Path

from pydantic import SecretStr

from unioneyes.adapters.processes.client import ProcessNotReady, Supervisor
from unioneyes.adapters.processes.kept import Kept
from unioneyes.adapters.processes.layout import COLOUR, VERSION, ReplicaSlot, Wanted, places, rolled, spare
from unioneyes.adapters.processes.logs import read_log
from unioneyes.adapters.processes.metrics import ask
from unioneyes.adapters.processes.rolling import Roll
from unioneyes.adapters.processes.spec import ProcessSpec, ProcessStatus, describe_exit
from unioneyes.kernel.clock import now
from unioneyes.kernel.logged import LEVELS
from unioneyes.kernel.problems import BadInput
from unioneyes.kernel.redaction import Redactor
from unioneyes.ports.replicas import CanNotRoll, LogLine, NoReadyReplica, Outcome, PoolUse, Replica, ReplicasReady, Revision, Rolled, Rolling
from unioneyes.ports.traffic import Colour, NoHealthyReplica

_REHEARSAL = "rehearsal"
_METRICS = "/metrics"
_METRICS_WITHIN = timedelta(seconds=1)
_RESTORE_WITHIN = timedelta(seconds=60)
_LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalReplicas:
    """Replicas under the supervisor; Envoy is told of their sockets."""

    supervisor: Supervisor
    command: Callable[[ReplicaSlot], ProcessSpec]
    """How a replica is run: named after its slot, logging to `logs/<name>.log`, ready when it answers on the slot's socket."""
    rehearsal_command: Callable[[str, SecretStr, int], ProcessSpec]
    """How a version is run on another database (its address) and a TCP port of the loopback."""
    endpoints: Callable[[Colour, tuple[Path, ...]], None]
    """Sends a colour's requests to these sockets, and returns when the data plane holds each of them for healthy."""
    folder: Path
    """Holds the sockets: a short path."""
    logs_folder: Path
    state_file: Path
    """What each colour should run, so that it comes back after a restart of the machine."""
    revisions_file: Path
    """What served members so far, oldest first."""
    configuration: Callable[[], Mapping[str, str]]
    """Settings of the service, as the environment says now."""
    read_outcomes: Callable[[str, str], tuple[Outcome, ...]] = lambda _text, _replica: ()
    read_pool: Callable[[str, str], PoolUse | None] = lambda _text, _replica: None
    """Reads what a replica's /metrics say, by the text and the replica's name; nothing where the service counts nothing."""

    def all(self) -> tuple[Replica, ...]:
        """Return every replica of both colours, ordered by name. Raises: SupervisorUnavailable."""
        wanted = self._kept.wanted()
        return tuple(
            Replica(
                name=status.name,
                colour=Colour(status.labels[COLOUR]),
                version=status.labels[VERSION],
                alive=status.alive,
                ready=status.ready,
                restarts=status.restarts,
                ended=None if status.last_exit is None else describe_exit(status.last_exit),
                since=status.since,
                served=_served(wanted.get(Colour(status.labels[COLOUR])), status.labels[VERSION]),
                placed=_placed(wanted.get(Colour(status.labels[COLOUR])), status.labels[VERSION]),
            )
            for status in self.present()
        )

    def start(self, colour: Colour, *, version: str, count: int, within: timedelta, configuration: Mapping[str, str] | None = None) -> ReplicasReady:
        """`colour` runs exactly `count` replicas of `version`, each ready; replicas of another version there are ended first.

        They run with `configuration`, or with what the environment says now; and keep it, whatever the environment says later.
        Raises: NoReadyReplica (with the reason: exit code, last log lines) when they are not ready in time, or keep ending; SupervisorUnavailable.
        """
        started = time.monotonic()
        wanted = self._settle(version, count, configuration)
        slots = self._slots(colour, wanted)
        self._kept.want(colour, lambda before: wanted.model_copy(update={"served": _served(before, version), "placed": _placed(before, version) or now()}))
        self._start_missing(slots)
        self._await(colour, slots, within)
        return ReplicasReady(colour=colour, version=version, count=count, took=timedelta(seconds=time.monotonic() - started))

    def describe_start(self, colour: Colour, *, version: str, count: int, configuration: Mapping[str, str] | None = None) -> tuple[str, ...]:
        """Return the commands that a person would type for the same."""
        return tuple(typed(self.command(slot)) for slot in self._slots(colour, self._settle(version, count, configuration)))

    def mark_served(self, colour: Colour, *, after_rollback: bool = False) -> None:
        """What stands on `colour` has served all members from now on, until another version takes its place; kept across restarts.

        It is the newest revision; with `after_rollback`, the one before it was bad.
        """
        wanted = self._kept.want(colour, lambda before: before and before.at_rest.model_copy(update={"served": True}))
        if wanted is not None:
            self._kept.record(wanted, bad_before=after_rollback, otherwise=self.configuration())

    def revisions(self) -> tuple[Revision, ...]:
        """Return what served members so far, newest first."""
        return self._kept.revisions()

    def roll(
        self, colour: Colour, *, version: str, new: int | None = None, within: timedelta, configuration: Mapping[str, str] | None = None, back: bool = False
    ) -> Rolled:
        """So many replicas of `colour` as it runs are of `version`, one put in the place of another at a time; `new` of them, or all where not said.

        Each new one is ready, within `within`, and gets requests before an old one gets none any more and is told to drain. While some are old, one more
        stands than is wanted. `back` says that the version comes back, so that nobody takes it for the newer one.
        Raises: NoReadyReplica (what stood before serves on), CanNotRoll (nothing runs there), SupervisorUnavailable.
        """
        started = time.monotonic()

        def decide(current: Wanted | None) -> Wanted:
            there = _require_something(colour, current)
            target = self._settle(version, there.count, configuration).model_copy(update={"placed": now()})
            return rolled(there, target, new=new, back=back)

        wanted = self._kept.want(colour, decide)
        try:
            self._roll(colour, wanted, within).carry_out()
        except (ProcessNotReady, NoHealthyReplica) as problem:
            raise NoReadyReplica(what=problem.what, remedy=problem.remedy) from problem
        if wanted.served and wanted.new is None:  # back where it was before
            self._kept.want(colour, lambda now_wanted: now_wanted and now_wanted.at_rest)
        stands = wanted.count if wanted.new is None else wanted.new
        return Rolled(colour=colour, version=version, new=stands, count=wanted.count, took=timedelta(seconds=time.monotonic() - started))

    def rolling(self, colour: Colour) -> Rolling | None:
        """Return what is being put in the place of what on `colour`, until it has served all members; None where nothing is."""
        wanted = self._kept.wanted().get(colour)
        if wanted is None or wanted.before is None:
            return None
        return Rolling(colour=colour, version=wanted.version, before=wanted.before.version, back=wanted.back)

    def describe_roll(self, colour: Colour, *, version: str, configuration: Mapping[str, str] | None = None) -> tuple[str, ...]:
        """Return the commands that a person would type for the same, one replica after the other. Raises: CanNotRoll."""
        count = _require_something(colour, self._kept.wanted().get(colour)).count
        wanted = self._settle(version, count, configuration)
        first, *others = self._roll(colour, wanted, timedelta()).in_order
        replaced = (line for slot in others for line in (self.supervisor.describe_stop((slot.name,)), typed(self.command(slot))))
        return (typed(self.command(first)), *replaced, self.supervisor.describe_stop((first.name,)))

    def restart(self, colour: Colour, *, ordered: datetime, within: timedelta, told: Callable[[str], None]) -> None:
        """No replica of `colour` was started before `ordered`: one after the other was put in the place of itself, as in a roll.

        Raises: NoReadyReplica (what stood before serves on), CanNotRoll (nothing runs there), SupervisorUnavailable.
        """
        wanted = _require_something(colour, self._kept.wanted().get(colour))
        try:
            replace(self._roll(colour, wanted, within), ordered=ordered, told=told).carry_out()
        except (ProcessNotReady, NoHealthyReplica) as problem:
            raise NoReadyReplica(what=problem.what, remedy=problem.remedy) from problem

    def resize(self, colour: Colour, count: int, *, within: timedelta) -> None:
        """`colour` runs `count` replicas of what it runs, each ready; those that stay are left alone.

        Raises: NoReadyReplica, CanNotRoll (nothing runs there, or something is just taking its place), SupervisorUnavailable.
        """

        def decide(current: Wanted | None) -> Wanted:
            there = _require_something(colour, current)
            if there.before is not None:
                raise CanNotRoll(what=f"{there.version} takes the place of {there.before.version} on {colour}", remedy="let it end first: ue deploy status")
            return there.model_copy(update={"count": count})

        slots = self._slots(colour, self._kept.want(colour, decide))
        self.supervisor.stop()  # ends nothing; but whoever was at this before is late from here on
        present = {status.name for status in self.present() if status.labels[COLOUR] == colour}
        for slot in slots:
            if slot.name not in present:
                self.supervisor.start(replace(self.command(slot), labels=slot.labels))
        self._await(colour, slots, within)
        self._end(colour, sorted(present - {slot.name for slot in slots}), remaining=tuple(slot.socket for slot in slots))

    def slots(self, colour: Colour, *, count: int | None = None) -> tuple[ReplicaSlot, ...]:
        """Return the places of what `colour` should run, or would if it were so many; none where it should run nothing."""
        wanted = self._kept.wanted().get(colour)
        return () if wanted is None else self._slots(colour, wanted if count is None else wanted.model_copy(update={"count": count}))

    def stop(self, colour: Colour) -> None:
        """`colour` runs nothing: each replica was told to drain, finished what it had, and ended. Raises: SupervisorUnavailable."""
        self._kept.want(colour, lambda _before: None)
        self._end(colour, [status.name for status in self.present() if status.labels[COLOUR] == colour], remaining=())

    def describe_stop(self, colour: Colour) -> tuple[str, ...]:
        """Return the commands that a person would type for the same."""
        wanted = self._kept.wanted().get(colour)
        names = [slot.name for slot in self._slots(colour, wanted)] if wanted else []
        return (self.supervisor.describe_stop(names),)

    def restore(self, *, within: timedelta = _RESTORE_WITHIN) -> tuple[ReplicasReady, ...]:
        """Each colour runs what it should, as the state file says: after the stack was down. All are started at the same time.

        Raises: NoReadyReplica when a colour can't, after the other one was brought back; SupervisorUnavailable.
        """
        started = time.monotonic()
        wanted = [self._slots(colour, entry) for colour, entry in self._kept.wanted().items()]
        for slots in wanted:
            self._start_missing(slots)
        restored, problems = [], []
        for slots in wanted:
            colour, version = slots[0].colour, slots[0].version
            try:
                self._await(colour, slots, within)
            except NoReadyReplica as problem:
                problems.append(problem)
            else:
                took = timedelta(seconds=time.monotonic() - started)
                restored.append(ReplicasReady(colour=colour, version=version, count=len(slots), took=took))
        if problems:
            raise NoReadyReplica(what="; ".join(problem.what for problem in problems), remedy=problems[0].remedy)
        return tuple(restored)

    def start_rehearsal(self, *, version: str, database_url: SecretStr, within: timedelta) -> str:
        """One replica of `version` runs on another database, reached by no member; return its address (http://...).

        Raises: NoReadyReplica, SupervisorUnavailable.
        """
        self.stop_rehearsal()
        port = _free_port()
        try:
            self.supervisor.start(replace(self.rehearsal_command(version, database_url, port), name=_REHEARSAL), within)
        except ProcessNotReady as problem:
            raise NoReadyReplica(what=problem.what, remedy=problem.remedy) from problem
        return f"http://{_LOOPBACK}:{port}"

    def stop_rehearsal(self) -> None:
        """The rehearsal's replica is gone. Raises: SupervisorUnavailable."""
        self.supervisor.stop(_REHEARSAL)

    def logs(self, colour: Colour, *, since: datetime, level: str = "DEBUG") -> tuple[LogLine, ...]:
        """Return what the replicas of `colour` logged since then at `level` or above, oldest first, ended replicas included."""
        if level not in LEVELS:
            raise BadInput(what=f"{level!r} is no level", remedy=f"one of: {', '.join(LEVELS)}")
        shown = LEVELS[LEVELS.index(level) :]
        lines = [
            LogLine(at=entry.at, replica=log.stem, level=entry.level, message=entry.message, request_id=entry.request_id)
            for log in sorted(self.logs_folder.glob(f"{colour}-*.log"))
            for entry in read_log(log, since=since)
            if entry.level in shown
        ]
        return tuple(sorted(lines, key=lambda line: line.at))

    def outcomes(self, colour: Colour) -> tuple[Outcome, ...]:
        """Return what the replicas of `colour` counted by route and by tenant; of a replica that does not answer within a second, nothing.

        Raises: SupervisorUnavailable.
        """
        return tuple(outcome for name, text in self._counted(colour) for outcome in self.read_outcomes(text, name))

    def pools(self, colour: Colour) -> tuple[PoolUse, ...]:
        """Return how the replicas of `colour` use their connections; of one that does not answer within a second, nothing.

        Raises: SupervisorUnavailable.
        """
        return tuple(pool for name, text in self._counted(colour) if (pool := self.read_pool(text, name)) is not None)

    def _counted(self, colour: Colour) -> Iterator[tuple[str, str]]:
        """Give each replica's name and what it says of itself."""
        for status in self.present():
            if status.labels[COLOUR] == colour and status.ready:
                with contextlib.suppress(OSError, HTTPException):  # a slow or an ended one is read the next time
                    yield status.name, ask(self.folder / f"{status.name}.sock", _METRICS, within=_METRICS_WITHIN)

    def describe_logs(self, colour: Colour) -> tuple[str, ...]:
        """Return the commands that a person would type for the same."""
        return (f"tail --lines=100 {shlex.quote(str(self.logs_folder))}/{colour}-*.log | grep ERROR",)

    def present(self) -> tuple[ProcessStatus, ...]:
        """Return the replicas' processes, ordered by name. Raises: SupervisorUnavailable."""
        return tuple(sorted((status for status in self.supervisor.status() if COLOUR in status.labels), key=lambda status: status.name))

    def _settle(self, version: str, count: int, configuration: Mapping[str, str] | None) -> Wanted:
        settled = self.configuration() if configuration is None else configuration
        return Wanted(version=version, count=count, configuration=dict(settled))

    def _slots(self, colour: Colour, wanted: Wanted) -> tuple[ReplicaSlot, ...]:
        return places(colour, wanted, folder=self.folder, otherwise=self.configuration())

    def _roll(self, colour: Colour, wanted: Wanted, within: timedelta) -> Roll:
        return Roll(
            supervisor=self.supervisor,
            command=self.command,
            endpoints=self.endpoints,
            colour=colour,
            wanted=self._slots(colour, wanted),
            spare=spare(colour, wanted, self.folder, self.configuration()),
            within=within,
        )

    def _start_missing(self, slots: tuple[ReplicaSlot, ...]) -> None:
        """The supervisor runs `slots` of their colour, and no other replica of it."""
        colour, versions = slots[0].colour, {slot.name: slot.version for slot in slots}
        present = [status for status in self.present() if status.labels[COLOUR] == colour]
        wrong = [status.name for status in present if status.labels[VERSION] != versions.get(status.name)]
        if wrong:
            kept = {status.name for status in present if status.ready} - set(wrong)
            self._end(colour, wrong, remaining=tuple(slot.socket for slot in slots if slot.name in kept))
        for slot in slots:
            self.supervisor.start(replace(self.command(slot), labels=slot.labels))

    def _await(self, colour: Colour, slots: tuple[ReplicaSlot, ...], within: timedelta) -> None:
        """Each slot's replica is ready, and gets the colour's requests. Raises: NoReadyReplica."""
        try:
            self.supervisor.await_ready((slot.name for slot in slots), within=within)
            self.endpoints(colour, tuple(slot.socket for slot in slots))
        except (ProcessNotReady, NoHealthyReplica) as problem:
            raise NoReadyReplica(what=problem.what, remedy=problem.remedy) from problem

    def _end(self, colour: Colour, names: list[str], *, remaining: tuple[Path, ...]) -> None:
        """The named replicas have ended. They get no new requests before they are told to end; then they finish what they have."""
        self.endpoints(colour, remaining)
        if names:
            self.supervisor.stop(*names)

    @property
    def _kept(self) -> Kept:
        return Kept(state_file=self.state_file, revisions_file=self.revisions_file)


def _served(wanted: Wanted | None, version: str) -> bool:
    """Return whether the version has served all members there; that which another one takes the place of has, if it had."""
    known = _known(wanted, version)
    return known is not None and known.served


def _placed(wanted: Wanted | None, version: str) -> datetime | None:
    known = _known(wanted, version)
    return known.placed if known is not None else None


def _known(wanted: Wanted | None, version: str) -> Wanted | None:
    return next((each for each in (wanted, wanted.before if wanted else None) if each is not None and each.version == version), None)


def _require_something(colour: Colour, wanted: Wanted | None) -> Wanted:
    """Return what the colour should run. Raises: CanNotRoll where that is nothing."""
    if wanted is None:
        raise CanNotRoll(what=f"{colour} runs nothing, so there is nothing to roll", remedy="ue deploy status; ue deploy start without --strategy rolling")
    return wanted


def typed(spec: ProcessSpec) -> str:
    """Return the command line that runs `spec` by hand, without secrets."""
    settings = [f"{name}={value}" for name, value in spec.env.items()]
    return Redactor()(shlex.join(("env", *settings, *spec.argv)))


def _free_port() -> int:
    with contextlib.closing(socket.create_server((_LOOPBACK, 0))) as probe:
        port: int = probe.getsockname()[1]
    return port
