"""The stage of a rehearsal: a stack of its own, members on it, and deployments told in one line per step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import JsonValue, TypeAdapter

from unioneyes.cli.client import Api
from unioneyes.cli.follow import follow
from unioneyes.cli.options import Where
from unioneyes.cli.output import say
from unioneyes.environments import LOCAL
from unioneyes.kernel.problems import BadInput, Problem, ReportedProblem
from unioneyes.kernel.status import RunStatus
from unioneyes.kernel.units import format_bytes, format_duration
from unioneyes.operations.deployment.model import DeployRequest, Receipt
from unioneyes.ports.releases import Release
from unioneyes.runbook.views import EntryKind, JournalEntry

if TYPE_CHECKING:
    from unioneyes.environments.local.members import Members
    from unioneyes.environments.local.stack import Stack

_TOLD = {
    EntryKind.STEP_DONE: "✔",
    EntryKind.STEP_FAILED: "✘",
    EntryKind.STEP_RETRIED: "↻",
    EntryKind.TAKEN_OVER: "⇥",
    EntryKind.UNDO_DONE: "↩",
    EntryKind.UNDO_FAILED: "‼",
}
_OURS = frozenset({"write_receipt"})
"""Steps that a rehearsal does not tell: they change nothing and show nothing."""

JsonObject = dict[str, JsonValue]


class RehearsalFailed(Problem):
    """What the rehearsal needs did not happen, so it says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a deployment on the stage ended."""

    status: str
    """The run's status; `refused` when it never became a run."""
    step: str | None
    """The step that failed, or whose verdict decided; None when it was refused."""
    receipt: Receipt | None
    journal: tuple[JournalEntry, ...]

    @property
    def switched_at(self) -> datetime | None:
        """When the data plane had confirmed the switch."""
        done = _done(self.journal, "shift_traffic")
        return datetime.fromisoformat(str(_object(done.data["result"])["at"])) if done else None

    def fact(self, step: str) -> str:
        """Return what a step came to, in a few words; says so when it was not taken."""
        done = _done(self.journal, step)
        return f"{_fact(done)}, in {_took(done)}" if done else "not done"


class Stage:
    """One rehearsal's stack."""

    def __init__(self, home: Path, *, env: str = LOCAL) -> None:
        """Stand in `home`, with the service where `env` has it; nothing is started yet."""
        self._home = home
        self._where = Where(env=env, home=home)
        self._stack: Stack | None = None

    def up(self) -> None:
        """A new stack runs in the home. Raises: ForeignFolder when something else stands there."""
        from unioneyes.environments.local import lifecycle  # noqa: PLC0415 - imports the adapters
        from unioneyes.environments.local.ports import WantedPorts  # noqa: PLC0415 - the same
        from unioneyes.environments.local.rehearsal_cluster import prepare  # noqa: PLC0415 - the same

        lifecycle.reset(self._home, tell=_quiet)
        prepare(self._where.env, self._home)
        started = lifecycle.up(self._home, wanted=WantedPorts(service=0, preview=0, control=0), tell=_quiet)
        self._stack = started.stack
        edge = "" if started.stack.settings.cluster else "Envoy, "
        say(f"     PostgreSQL with a streaming replica, {edge}the vendors' simulators and the control plane: up in {format_duration(started.took)}")
        say(f"     watch it live: {started.stack.control_url}, signed in by\n       {started.stack.login}")

    def farewell(self, *, keep: bool) -> None:
        """Say what still runs and how to stop it, or stop it."""
        from unioneyes.environments.local import lifecycle  # noqa: PLC0415 - imports the adapters

        if keep and self._stack:
            say(f"\nstill running: the service {self._stack.service_url}, the console {self._stack.control_url}")
            say(f"open:  {self._stack.login}\nlook:  ue env status{self._where.flags}\nstop:  ue env down{self._where.flags}")
        else:
            stopped = lifecycle.down(self._home, tell=_quiet)
            say(f"\nstopped: {', '.join(stopped) or 'nothing was running'}; its data stays in {self._home}")

    def chapter(self, title: str) -> None:
        """The person sees what comes next."""
        say(f"\n{title}")

    def faulty_releases(self, *, only: tuple[str, ...]) -> tuple[Release, ...]:
        """Return the releases that are faulty on purpose. Raises: BadInput when `only` names another."""
        faulty = {release.version: release for release in Api(self._where).get("releases", tuple[Release, ...]).value if release.fault}
        unknown = [version for version in only if version not in faulty]
        if unknown:
            raise BadInput(what=f"{unknown[0]} is no faulty release", remedy=f"one of: {', '.join(faulty)}")
        return tuple(faulty[version] for version in only or faulty)

    @contextmanager
    def members(self, rate: float) -> Iterator[Members]:
        """Members are at work."""
        from unioneyes.environments.local.members import run_members  # noqa: PLC0415 - imports the stack

        with run_members(self._home, rate=rate) as members:
            yield members

    def must_deploy(self, version: str, *, bake: timedelta) -> Ended:
        """A release serves, without which the rehearsal means nothing. Raises: RehearsalFailed."""
        ended = self.deploy(version, bake=bake)
        if ended.status != RunStatus.DONE:
            raise RehearsalFailed(what=f"{version} should have been deployed, and ended as {ended.status}", remedy=f"ue run list{self._where.flags}")
        return ended

    def deploy(self, version: str, *, bake: timedelta) -> Ended:
        """A deployment has ended, one way or the other; each step was told when it was done."""
        api = Api(self._where)
        request = TypeAdapter(DeployRequest).dump_python(DeployRequest(version=version, migrate=True, bake=bake), mode="json")
        try:
            run_id = api.start("deployment.start", request).value.id
        except ReportedProblem as problem:
            say(f"     ✘ {problem.what}")
            return Ended(status=RunStatus.REFUSED, step=None, receipt=None, journal=())
        lines = _Lines()
        run = follow(api, run_id, lines).value
        receipt = TypeAdapter(Receipt).validate_python(run.result) if run.result else None
        say(f"     → {run.problem['detail'] if run.problem else receipt.outcome if receipt else run.status}")
        step = "watch_release" if receipt and receipt.rolled_back and not receipt.verified else _failed_step(lines.journal) or run.step
        return Ended(status=run.status, step=step, receipt=receipt, journal=tuple(lines.journal))


class _Lines:
    """A screen with one line for each step that is done."""

    def __init__(self) -> None:
        self.journal: list[JournalEntry] = []

    def show(self, entries: Sequence[JournalEntry]) -> None:
        """The person sees what was done."""
        self.journal += entries
        for entry in entries:
            if entry.kind in _TOLD and entry.step not in _OURS:
                say(f"     {_TOLD[entry.kind]} {entry.step or '':<24} {_took(entry):>8}  {_fact(entry)}")

    def note(self, text: str) -> None:
        """The person sees it."""
        say(f"     {text}")


def _fact(entry: JournalEntry) -> str:
    """Return what a step came to: the figures that a person looks for, or else what is true now."""
    found = entry.data.get("result")
    said = _FACTS.get(entry.step or "")
    return said(found) if said and isinstance(found, dict) and entry.kind is EntryKind.STEP_DONE else entry.message


def _rehearsed(found: JsonObject) -> str:
    previous = found["previous"]
    lives = f"; the previous release passes {len(_list(previous['checks']))} smoke tests on it" if isinstance(previous, dict) else ""
    return f"{len(_list(found['applied']))} applied to the restored copy{lives}; taken back again"


def _smoked(found: JsonObject) -> str:
    return f"{len(_list(found['checks']))} flows passed as {found['version']}"


_FACTS: dict[str, Callable[[JsonObject], str]] = {
    "back_up_database": lambda found: f"{found['name']}, {format_bytes(int(str(found['bytes'])))}",
    "verify_backup": lambda found: f"restored and compared: {found['tables']} tables, {found['rows']} rows, equal",
    "rehearse_migrations": _rehearsed,
    "apply_migrations": lambda found: ", ".join(str(tag) for tag in _list(found["tags"])),
    "start_replicas": lambda found: f"{found['count']} of {found['version']} ready on {found['colour']}",
    "smoke_test": _smoked,
    "verify_previous_release": _smoked,
    "watch_release": lambda found: str(_object(found["verdict"])["reason"]),
}


def _took(entry: JournalEntry) -> str:
    seconds = entry.data.get("took_s")
    return format_duration(timedelta(seconds=float(seconds))) if isinstance(seconds, int | float) else ""


def _done(journal: Sequence[JournalEntry], step: str) -> JournalEntry | None:
    return next((entry for entry in journal if entry.kind is EntryKind.STEP_DONE and entry.step == step), None)


def _failed_step(journal: Sequence[JournalEntry]) -> str | None:
    return next((entry.step for entry in journal if entry.kind is EntryKind.STEP_FAILED), None)


def _object(value: JsonValue) -> JsonObject:
    return TypeAdapter(JsonObject).validate_python(value)


def _list(value: JsonValue) -> list[JsonValue]:
    return TypeAdapter(list[JsonValue]).validate_python(value)


def _quiet(line: str) -> None:
    """Tell nothing: the stage says it in a line of its own."""
    del line
